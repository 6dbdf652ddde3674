"""One look on all pages: which color a class, a curve or a verdict has. Pure functions; no Streamlit."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Sequence
from typing import Any, Literal, get_args

Dash = Literal["solid", "dash", "dot", "dashdot"]
DASHES: tuple[Dash, ...] = get_args(Dash)

# The colors of classes by the names that figures are written in; what is seen is the variant of the theme. Found by
# search: they keep a large smallest distance (OKLab) under normal sight and simulated protanopia, deuteranopia and
# tritanopia. Okabe and Ito's eight, on the same scale, hold two that nearly coincide.
CLASS_COLORS = (
    "#0087C3",
    "#FFA500",
    "#2D8700",
    "#FF002D",
    "#9600A5",
    "#00D2A5",
    "#783C1E",
    "#D2B4FF",
    "#FF2DFF",
    "#000FFF",
)

# The same ten on each ground, at 3:1 against it and more, found in the same way: near the hue of the name, and as far
# from each other. Blue and green, which verdicts and curves have too, stay as they are.
_ON_LIGHT = (
    "#0087C3",
    "#673801",
    "#2D8700",
    "#EC6873",
    "#9801A5",
    "#226D4D",
    "#4E1F22",
    "#7D5AFF",
    "#F00FB1",
    "#1702EC",
)
_ON_DARK = (
    "#0087C3",
    "#FEA60D",
    "#2D8700",
    "#FE0029",
    "#BD0C84",
    "#0BE2B5",
    "#C8967D",
    "#D2B4FF",
    "#DF438D",
    "#194EFD",
)
BY_THEME = {name: pair for name, *pair in zip(CLASS_COLORS, _ON_LIGHT, _ON_DARK, strict=True)}
"""By the name of a class's color: what it is on a light ground, and on a dark one. Others are the same on both."""
_BETWEEN = (0.13, 0.19, 0.28)  # luminances that have 3:1 against both grounds

# Verdicts and curves: blue against orange differs for every kind of sight; text, dash or hatching always says the same.
RIGHT, WRONG, UNKNOWN, MUTED = "#0087C3", "#E06000", "#8A8F9C", "#808495"
GREEN, PURPLE = "#2D8700", "#A85FD0"

# By metric, so that one has one stroke on all pages. A metric that is not here gets the next free color.
METRIC_STROKES: dict[str, tuple[str, Dash]] = {
    "loss/labeled": (RIGHT, "solid"),
    "loss/unlabeled": (WRONG, "dash"),
    "test/accuracy": (RIGHT, "solid"),
    "validation/accuracy": (MUTED, "dot"),
    "pseudo_label/accuracy": (GREEN, "dash"),
    "candidates/identified": (PURPLE, "dashdot"),
    "test/knn_1_per_class": (WRONG, "solid"),
    "test/knn_5_per_class": (PURPLE, "dash"),
    "test/knn_full": (MUTED, "dot"),
    "mask_rate": (PURPLE, "solid"),
    "candidates/ambiguity": (PURPLE, "solid"),
    "embedding/spread": (PURPLE, "solid"),
    "embedding/rank": (GREEN, "solid"),
    "change": (RIGHT, "solid"),
}
_FREE: tuple[tuple[str, Dash], ...] = ((RIGHT, "dashdot"), (WRONG, "dot"), (GREEN, "dashdot"), (PURPLE, "dashdot"))


def class_color(index: int) -> str:
    """The color of class `index` (0, 1, ...) on every page, as "#RRGGBB". It depends on nothing else, so adding a class
    recolors none.

    Ten are fixed; the rest goes around the hues by the golden angle and through three luminances, so that neighbors
    differ in both. Beyond ten, color alone cannot tell classes apart: names stand beside it.
    """
    if index < 0:
        return UNKNOWN
    if index < len(CLASS_COLORS):
        return CLASS_COLORS[index]
    hue = (index * (3 - math.sqrt(5)) / 2) % 1
    low, high = 0.0, 1.0
    for _ in range(12):  # lightness rises with luminance
        lightness = (low + high) / 2
        is_dark = _luminance(colorsys.hls_to_rgb(hue, lightness, 0.75)) < _BETWEEN[index % 3]
        low, high = (lightness, high) if is_dark else (low, lightness)
    red, green, blue = colorsys.hls_to_rgb(hue, lightness, 0.75)
    return f"#{round(red * 255):02X}{round(green * 255):02X}{round(blue * 255):02X}"


def _luminance(rgb: tuple[float, float, float]) -> float:
    """Relative luminance of sRGB values in [0, 1] (WCAG 2.2)."""
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in rgb]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def on_light(value: Any) -> Any:
    """JSON values with the colors of classes in their variant for a light ground."""
    if isinstance(value, dict):
        return {key: on_light(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [on_light(one) for one in value]
    return BY_THEME[value][0] if isinstance(value, str) and value in BY_THEME else value


def css_color(color: str) -> str:
    """A color as a style sheet has it, with its variant for each theme."""
    return "light-dark({}, {})".format(*BY_THEME[color]) if color in BY_THEME else color


def metric_strokes(names: Sequence[str]) -> dict[str, tuple[str, Dash]]:
    """Color and dash of the curves of one figure, by metric: those that have none of their own differ from the rest."""
    others = [name for name in names if name not in METRIC_STROKES]
    free = [stroke for stroke in _FREE if stroke[0] not in {METRIC_STROKES[n][0] for n in names if n in METRIC_STROKES}]
    free = free or list(_FREE)
    return {
        name: METRIC_STROKES[name] if name in METRIC_STROKES else free[others.index(name) % len(free)] for name in names
    }
