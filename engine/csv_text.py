"""Tables as CSV that no spreadsheet runs: every CSV that a page offers or a command prints is written here, but for
those of figures (ui/components/figure_downloads.js), which follow the same rule.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # with which a spreadsheet takes a cell for a formula


def csv_text(rows: Iterable[Sequence[Any]]) -> str:
    """The rows, the heading first. An apostrophe stands before text that would be a formula; numbers stay numbers."""
    out = io.StringIO()
    csv.writer(out).writerows([_cell(value) for value in row] for row in rows)
    return out.getvalue()


def _cell(value: Any) -> Any:
    if not isinstance(value, str) or not value.startswith(_FORMULA):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value


def cell_as_it_was(cell: str) -> str:
    """A cell's text without the apostrophe that keeps a spreadsheet from taking it for a formula."""
    return cell[1:] if cell[:1] == "'" and cell[1:2] in _FORMULA else cell


def yes_or_no(said: bool | None) -> str:
    """A cell; empty where it is not known."""
    return "" if said is None else "yes" if said else "no"
