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


def _no_labels() -> str:
    pairs = (((36, 24), (58, 40)), ((30, 60), (54, 66)), ((140, 22), (164, 34)), ((132, 62), (158, 56)))
    drawn = "".join(f'<path d="M{a[0]} {a[1]} L {b[0]} {b[1]}" stroke="{GREEN}" stroke-width="2.5"/>' + _dot(*a, MUTED) + _dot(*b, MUTED) for a, b in pairs)
    apart = f'<path d="M80 42 L 116 42 M86 37 L 80 42 L 86 47 M110 37 L 116 42 L 110 47" fill="none" stroke="{MUTED}" stroke-width="2"/>'
    return _svg(drawn + apart, "pairs of points without labels: the two of a pair belong together, different pairs apart")


def _bar(x: float, y: float, width: float, fill: str) -> str:
    return f'<rect x="{x}" y="{y}" width="{width:.0f}" height="12" rx="2" fill="{fill}"/>'


def _several_labels() -> str:
    rows = ((16, 1.0, 0.25), (38, 0.7, 0.5), (60, 0.3, 0.9))
    drawn = "".join(
        _dot(28, y + 6, MUTED)
        + f'<rect x="50" y="{y}" width="{60 * a:.0f}" height="12" rx="2" fill="{A}"/><rect x="122" y="{y}" width="{60 * b:.0f}" height="12" rx="2" fill="{B}"/>'
        for y, a, b in rows
    )
    return _svg(drawn, "three points, each with two possible labels of different weight")


def _a_model() -> str:
    boxes = "".join(f'<rect x="{x}" y="{42 - h / 2}" width="16" height="{h}" rx="3" fill="{MUTED}" opacity="{o}"/>' for x, h, o in ((30, 64, 0.45), (56, 52, 0.6), (82, 40, 0.8)))
    arrow = f'<path d="M106 42 L 132 42 M126 36 L 132 42 L 126 48" fill="none" stroke="{GREEN}" stroke-width="2.5"/>'
    return _svg(boxes + arrow + _dot(152, 30, A) + _dot(152, 54, B), "the layers of a network that was trained before, and two new classes behind it")


PICTURES = {
    "digits-fixmatch": _few_labels(),
    "digits-simclr": _no_labels(),
    "digits-proden": _several_labels(),
    "model": _a_model(),
    "digits-supervised": _labels_alone(),
    "noise-fixmatch": _noise(),
}
