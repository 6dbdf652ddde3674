"""A curve the size of a word."""

from __future__ import annotations

from collections.abc import Sequence

from ui.style.colors import RIGHT

_WIDTH, _HEIGHT = 140, 28  # pixels


def sparkline(values: Sequence[float]) -> str:
    """An SVG of values in [0, 1]; empty text for fewer than two."""
    if len(values) < 2:
        return ""
    points = " ".join(
        f"{i * _WIDTH / (len(values) - 1):.1f},{_HEIGHT - 2 - v * (_HEIGHT - 4):.1f}" for i, v in enumerate(values)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}"'
        f' role="img" aria-label="accuracy over the run"><polyline points="{points}" fill="none" stroke="{RIGHT}"'
        ' stroke-width="2"/></svg>'
    )
