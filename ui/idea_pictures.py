"""The pictures of the ideas: small drawings in SVG, in colors that stand out on light and on dark ground."""

from __future__ import annotations

from ui.theme import CLASS_COLORS, GREEN, MUTED

A, B = CLASS_COLORS[0], CLASS_COLORS[1]
_POINTS = ((20, 52), (34, 30), (48, 60), (40, 44), (62, 38), (58, 62), (120, 30), (134, 50), (148, 34), (156, 58), (172, 44), (140, 66))


def _svg(content: str, label: str) -> str:
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 200 84" width="200" height="84"><title>{label}</title>{content}</svg>'


def _dot(x: float, y: float, fill: str, ring: bool = False) -> str:
    outline = f'stroke="{MUTED}" stroke-width="3"' if ring else 'stroke="none"'
    return f'<circle cx="{x}" cy="{y}" r="{7 if ring else 5}" fill="{fill}" {outline}/>'


def _few_labels() -> str:
    dots = "".join(_dot(x, y, A if x < 100 else B) for x, y in _POINTS)
    line = f'<path d="M96 8 C 88 30, 108 54, 98 78" fill="none" stroke="{GREEN}" stroke-width="2.5"/>'
    return _svg(dots + line + _dot(40, 44, A, True) + _dot(148, 34, B, True), "two groups of points, one label each, and the border between the groups")


def _labels_alone() -> str:
    dots = "".join(_dot(x, y, MUTED) for x, y in _POINTS)
    line = f'<path d="M52 8 L 136 78" fill="none" stroke="{GREEN}" stroke-width="2.5" stroke-dasharray="5 4"/>'
    return _svg(dots + line + _dot(40, 44, A, True) + _dot(148, 34, B, True), "the same points, but only the two labeled ones count")


def _noise() -> str:
    cells = []
    state = 7
    for i in range(20):
        for j in range(8):
            state = (1103515245 * state + 12345) % 2**31
            cells.append(f'<rect x="{i * 10}" y="{2 + j * 10}" width="10" height="10" fill="{MUTED}" opacity="{(state >> 16) % 10 / 12:.2f}"/>')
    return _svg("".join(cells), "random pixels")


PICTURES = {"digits-fixmatch": _few_labels(), "digits-supervised": _labels_alone(), "noise-fixmatch": _noise()}
