"""Weights of an image's candidates as one small drawing: a bar for each, its name on it."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from ui.style.colors import MUTED, RIGHT
from ui.style.formatting import percent

_WIDTH, _HEIGHT, _GAP = 300, 36, 3


def bars(weights: Sequence[tuple[str, float]]) -> str:
    """SVG of one bar per (name, weight in 0..1), side by side, all equally wide and filled by the weight."""
    width = (_WIDTH - _GAP * (len(weights) - 1)) / max(len(weights), 1)
    drawn = []
    for number, (name, weight) in enumerate(weights):
        x = number * (width + _GAP)
        drawn.append(f'<rect x="{x:.1f}" y="18" width="{width:.1f}" height="14" rx="2" fill="{MUTED}" opacity="0.25"/>')
        drawn.append(
            f'<rect x="{x:.1f}" y="18" width="{width * min(max(weight, 0.0), 1.0):.1f}" height="14" rx="2"'
            f' fill="{RIGHT}"/>'
        )
        drawn.append(
            f'<text x="{x:.1f}" y="12" font-size="11" font-family="sans-serif" fill="{MUTED}">{escape(name[:12])}'
            f" {percent(weight)}</text>"
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}"'
        f' height="{_HEIGHT}">{"".join(drawn)}</svg>'
    )
