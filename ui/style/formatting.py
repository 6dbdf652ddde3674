"""Numbers, times and dates as text, each formatted in one place."""

from __future__ import annotations

import math
from datetime import datetime

NOTHING = "–"
PERCENT_COLUMN = "%.1f %%"  # of a table's column of numbers from 0 to 100, which unlike text can be sorted


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
    # Strftime would follow the server's language.
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
    )
    return f"{local.day} {months[local.month - 1]} {local.year}, {local:%H:%M}"


def _missing(value: float | None) -> bool:
    return value is None or not math.isfinite(value)
