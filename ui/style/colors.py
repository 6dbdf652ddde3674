"""One look on all pages: which color a class, a curve or a verdict has, and how a number is written. Pure functions; no
Streamlit.
"""

from __future__ import annotations

import colorsys
import math
from datetime import datetime
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

NOTHING = "–"
PERCENT_COLUMN = "%.1f %%"  # of a table's column of numbers from 0 to 100, which unlike text can be sorted


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


def percent(share: float | None) -> str:
    """0.9423 -> "94.2 %"."""
    return NOTHING if _missing(share) else f"{share * 100:.1f} %".replace("-0.0 %", "0.0 %")  # type: ignore[operator]


def points(difference: float | None) -> str:
    """A difference of two shares in percentage points, always with its sign: 0.131 -> "+13.1"."""
    return NOTHING if _missing(difference) else f"{difference * 100:+.1f}".replace("-0.0", "+0.0")  # type: ignore[operator]


def duration(seconds: float | None) -> str:
    """7.4 -> "7 s", 0.42 -> "0.4 s", 200 -> "3 min 20 s", 3900 -> "1 h 5 min", 200000 -> "2 d 8 h"."""
    if _missing(seconds):
        return NOTHING
    assert seconds is not None
    if 0 < seconds < 0.95:
        return f"{max(seconds, 0.1):.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    units = ((60, "min", 1, "s"), (3600, "h", 60, "min"), (86400, "d", 3600, "h"))
    large, large_name, small, small_name = next((unit for unit in reversed(units) if whole >= unit[0]), units[0])
    rest = whole % large // small
    return f"{whole // large} {large_name}" + (f" {rest} {small_name}" if rest else "")


def speed(images_per_second: float | None) -> str:
    """9312.7 -> "9,300 img/s": two digits are all a running estimate is worth."""
    if _missing(images_per_second):
        return NOTHING
    assert images_per_second is not None
    if images_per_second < 10:
        return f"{images_per_second:.1f} img/s"
    digits = math.floor(math.log10(images_per_second)) - 1
    return f"{round(images_per_second, -digits):,.0f} img/s"


def count(number: int | None) -> str:
    """1437 -> "1,437"."""
    return NOTHING if number is None else f"{number:,}"


def size(number_of_bytes: int | None) -> str:
    """1_230_000 -> "1.2 MB"."""
    if number_of_bytes is None:
        return NOTHING
    value = float(number_of_bytes)
    for unit in ("bytes", "kB", "MB"):
        if value < (1000 if unit == "bytes" else 999.95):
            return f"{value:.0f} bytes" if unit == "bytes" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def decimal(value: float | None) -> str:
    """A number without a unit, a loss for example, with three significant digits: 0.123456 -> "0.123", 12345.6 ->
    "12,300".
    """
    if _missing(value):
        return NOTHING
    assert value is not None
    if value == 0:
        return "0"
    if not 0.001 <= abs(value) < 1e6:
        return f"{value:.2e}"
    digits = 2 - math.floor(math.log10(abs(value)))
    return f"{round(value, digits):,.{max(digits, 0)}f}"


def date(moment: datetime | float | None) -> str:
    """A datetime or seconds since 1970, in the reader's time zone: "21 Nov 2025, 06:04"."""
    if moment is None:
        return NOTHING
    local = (moment if isinstance(moment, datetime) else datetime.fromtimestamp(moment).astimezone()).astimezone()
    months = (
        "Jan",
        "Feb",
        "Mar",
        "Apr",
        "May",
        "Jun",
        "Jul",
        "Aug",
        "Sep",
        "Oct",
        "Nov",
        "Dec",
    )  # strftime would follow the server's language
    return f"{local.day} {months[local.month - 1]} {local.year}, {local:%H:%M}"


def _missing(value: float | None) -> bool:
    return value is None or not math.isfinite(value)
