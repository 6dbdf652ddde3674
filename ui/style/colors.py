"""One look on all pages: which color a class, a curve or a verdict has. Pure functions; no Streamlit."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Sequence
from typing import Literal, get_args

Dash = Literal["solid", "dash", "dot", "dashdot"]
DASHES: tuple[Dash, ...] = get_args(Dash)

# Found by search: among colors visible on white and on Streamlit's dark background, these keep the largest smallest
# distance (OKLab) under normal sight and simulated protanopia, deuteranopia and tritanopia. Okabe and Ito's eight, on
# the same scale, hold two that nearly coincide.
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

    Ten are fixed; the rest goes around the hues by the golden angle and through three lightnesses, so that neighbors
    differ in both. Beyond ten, color alone cannot tell classes apart: names stand beside it.
    """
    if index < 0:
        return UNKNOWN
    if index < len(CLASS_COLORS):
        return CLASS_COLORS[index]
    hue = (index * (3 - math.sqrt(5)) / 2) % 1
    red, green, blue = colorsys.hls_to_rgb(hue, (0.36, 0.52, 0.68)[index % 3], 0.65)
    return f"#{round(red * 255):02X}{round(green * 255):02X}{round(blue * 255):02X}"


def metric_strokes(names: Sequence[str]) -> dict[str, tuple[str, Dash]]:
    """Color and dash of the curves of one figure, by metric: those that have none of their own differ from the rest."""
    others = [name for name in names if name not in METRIC_STROKES]
    free = [stroke for stroke in _FREE if stroke[0] not in {METRIC_STROKES[n][0] for n in names if n in METRIC_STROKES}]
    free = free or list(_FREE)
    return {
        name: METRIC_STROKES[name] if name in METRIC_STROKES else free[others.index(name) % len(free)] for name in names
    }
