"""A curve the size of a word."""

from __future__ import annotations

from collections.abc import Sequence

from ui.style.colors import RIGHT


def sparkline(values: Sequence[float], width: int = 140, height: int = 28) -> str:
    """An SVG of values in [0, 1]; empty text for fewer than two."""
    if len(values) < 2:
        return ""
    points = " ".join(
        f"{i * width / (len(values) - 1):.1f},{height - 2 - v * (height - 4):.1f}" for i, v in enumerate(values)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
        f' role="img" aria-label="accuracy over the run"><polyline points="{points}" fill="none" stroke="{RIGHT}"'
        ' stroke-width="2"/></svg>'
    )
