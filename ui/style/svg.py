"""What the drawings are made of: dots, bars, squares and arrows in SVG."""

from __future__ import annotations

from ui.style.colors import GREEN, MUTED


def svg_image(content: str, label: str) -> str:
    """A drawing of 200 x 84, and the sentence that says what it shows."""
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 200 84" width="200"'
        f' height="84"><title>{label}</title>{content}</svg>'
    )


def label_of(image: str) -> str:
    """What a drawing shows, for those who do not see it."""
    return image[image.index("<title>") + len("<title>") : image.index("</title>")]


def dot(x: float, y: float, fill: str, ring: bool = False) -> str:
    outline = f'stroke="{MUTED}" stroke-width="3"' if ring else 'stroke="none"'
    return f'<circle cx="{x}" cy="{y}" r="{7 if ring else 5}" fill="{fill}" {outline}/>'


def bar(x: float, y: float, width: float, fill: str) -> str:
    return f'<rect x="{x}" y="{y}" width="{width:.0f}" height="12" rx="2" fill="{fill}"/>'


def square(x: float, y: float, side: float, fill: str, opacity: float = 1.0) -> str:
    return f'<rect x="{x}" y="{y}" width="{side}" height="{side}" rx="3" fill="{fill}" opacity="{opacity}"/>'


def arrow(x: float, y: float, color: str = GREEN) -> str:
    return f'<path d="M{x} {y} l 26 0 m -6 -6 l 6 6 l -6 6" fill="none" stroke="{color}" stroke-width="2.5"/>'
