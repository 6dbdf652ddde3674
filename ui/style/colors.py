"""One look on all pages: which color a class, a curve or a verdict has, and how a number is written. Pure functions; no
Streamlit.
"""

from __future__ import annotations

import colorsys
import math
from typing import Literal

Dash = Literal["solid", "dash", "dot", "dashdot"]

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

LINE_COLORS = {
    "loss": RIGHT,
    "loss/labeled": RIGHT,
    "loss/unlabeled": WRONG,
    "accuracy": RIGHT,
    "pseudo_label/accuracy": GREEN,
    "mask_rate": PURPLE,
}
LINE_DASHES: dict[str, Dash] = {"loss/unlabeled": "dash", "pseudo_label/accuracy": "dash", "mask_rate": "dot"}
_NAMES = {
    "loss": "loss",
    "loss/labeled": "loss, labeled",
    "loss/unlabeled": "loss, unlabeled",
    "accuracy": "accuracy",
    "pseudo_label/accuracy": "pseudo-labels right",
    "mask_rate": "pseudo-labels used",
}


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


def line_color(metric: str) -> str:
    """The color of a metric's curve; an unknown metric gets one of the class colors, the same one every time."""
    return LINE_COLORS.get(metric) or CLASS_COLORS[sum(metric.encode()) % len(CLASS_COLORS)]


def line_dash(metric: str) -> Dash:
    """The stroke of a metric's curve, so that curves in one figure differ by more than color."""
    return LINE_DASHES.get(metric, "solid")


def metric_name(metric: str) -> str:
    """A metric in plain words: "mask_rate" is "pseudo-labels used"."""
    return _NAMES.get(metric) or metric.replace("/", ", ").replace("_", " ")
