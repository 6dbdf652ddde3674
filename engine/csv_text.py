"""Tables as CSV that no spreadsheet runs: every CSV that a page offers or a command prints is written here, but for
those of figures (ui/components/figure_downloads.js), which follow the same rule.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

# Text that a spreadsheet takes for a formula; and with apostrophes before it, to which one more is added, so that what
# was written can be read again.
_FORMULA = re.compile(r"'*[=+\-@\t\r]")


def csv_text(rows: Iterable[Sequence[Any]]) -> str:
    """The rows, the heading first. An apostrophe stands before text that would be a formula; numbers stay numbers."""
    out = io.StringIO()
    csv.writer(out).writerows([_cell(value) for value in row] for row in rows)
    return out.getvalue()


def _cell(value: Any) -> Any:
    if not isinstance(value, str) or not _FORMULA.match(value):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value


def cell_as_it_was(cell: str) -> str:
    """A cell's text without the apostrophe that keeps a spreadsheet from taking it for a formula."""
    return cell[1:] if cell[:1] == "'" and _FORMULA.match(cell) else cell


def ends_of_records(text: str) -> Iterator[int]:
    """Where each record of a CSV that ends in a line break ends, so that one that was torn by a kill is told; a record
    may hold line breaks inside quotes.
    """
    quoted = False
    for match in re.finditer(r'"|\n', text):
        if match[0] == '"':
            quoted = not quoted
        elif not quoted:
            yield match.end()


def yes_or_no(said: bool | None) -> str:
    """A cell; empty where it is not known."""
    return "" if said is None else "yes" if said else "no"
