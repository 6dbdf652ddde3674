"""Weights of an image's candidates as one small drawing: a bar for each, its name above it."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from ui.figures.frame import shorten
from ui.style.colors import MUTED, RIGHT
from ui.style.formatting import percent

WIDTH, _GAP = 250, 12
_LETTER = 6.2  # px, of a wide one at this size of text
_LONGEST = 32  # letters of a name


def bars(weights: Sequence[tuple[str, float]], ink: str, *, beside: bool = False) -> str:
    """SVG of one bar per (name, weight in 0..1), all equally wide and filled by the weight, the weight in words at its
    right end: one below the other. ink: color of the words. beside: side by side, unless the names are too long for
    that.
    """
    labels = [(shorten(name, _LONGEST), percent(weight)) for name, weight in weights]
    width = (WIDTH - _GAP * (len(weights) - 1)) / max(len(weights), 1)
    if not beside or any(len(" ".join(label)) * _LETTER > width for label in labels):
        places, width, step, thick = [(0.0, 18 * k) for k in range(len(weights))], float(WIDTH), 18, 3
    else:
        places, step, thick = [(k * (width + _GAP), 0) for k in range(len(weights))], 36, 14
    drawn = []
    for (name, share), (x, y), (_, weight) in zip(labels, places, weights, strict=True):
        bar, filled = f'y="{y + step - thick - 4 * (thick > 3)}" height="{thick}" rx="2"', min(max(weight, 0.0), 1.0)
        drawn += [
            f'<rect x="{x:.1f}" width="{width:.1f}" {bar} fill="{MUTED}" opacity="0.25"/>',
            f'<rect x="{x:.1f}" width="{width * filled:.1f}" {bar} fill="{RIGHT}"/>',
            _text(x, y, "start", name, ink),
            _text(x + width, y, "end", share, ink),
        ]
    height = max((y + step for _, y in places), default=step) + 4 * (thick == 3)  # round corners cut into it
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}"'
        f' height="{height}">{"".join(drawn)}</svg>'
    )


def in_words(weights: Sequence[tuple[str, float]]) -> str:
    """What the drawing shows, for who does not see it: "seven ✓ 97.0 %, one 3.0 %"."""
    return "Weights of its candidates: " + ", ".join(f"{name} {percent(weight)}" for name, weight in weights)


def _text(x: float, y: float, anchor: str, words: str, ink: str) -> str:
    return (
        f'<text x="{x:.1f}" y="{y + 12}" text-anchor="{anchor}" font-size="11" font-family="sans-serif"'
        f' fill="{ink}">{escape(words)}</text>'
    )
