"""Labels in a table beside the images: which column names the files and which the classes is told by what they hold,
not by what they are called.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice

from engine.data.importing.file_index import FileIndex
from engine.data.importing.folder_layout import SPLIT, Part, titles
from engine.data.importing.given_labels import NO_LABEL, GivenLabels
from engine.errors import DataError
from engine.images.decode import short_name

TABLE_ENDINGS = (".csv", ".tsv", ".tab", ".txt")
LARGEST_TABLE = 64_000_000  # bytes
MOST_ROWS = 1_000_000
_BROKEN = "a table with a quote that is never closed, or a cell of more than 131,072 characters"
ONE_HOT = "one column per class"  # in place of a column's name
_MOST_COLUMNS = 1_000
_UNIQUE = 0.2  # share of the rows of a column of file names that name another file; boxes have several rows each
_SAMPLE = 1_000  # rows by which separator and columns are told
_SEPARATORS = (",", ";", "\t", "|", " ")
_CALLED_LABEL = ("label", "class", "category", "target", "species", "breed")
_ZERO, _ONE = {"0", "0.0", "false"}, {"1", "1.0", "true"}


class NoTable(Exception):
    """Why a file that is called like a table holds no labels: the reason for the report."""


@dataclass
class Table:
    """One table that names images. rows: without the heading. file: the column of file names. labels: names of the
    columns that can hold the classes, the first of them chosen if `is_sure`. part: the column of the split, if any.
    """

    name: str
    header: list[str]
    rows: list[list[str]]
    file: int
    labels: list[str]
    is_sure: bool
    part: int | None = None
    one_hot: list[int] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def given(self, column: str, index: FileIndex, of_table: Part | None = None) -> GivenLabels:
        """What the table says of the listed files, with the classes of `column`. of_table: the part of all its images,
        where no column says it.
        """
        folder = self.name.rpartition("/")[0]
        words = f"{short_name(self.name)}, {column_words(column)}"
        given = GivenLabels(self.name, words, notes=list(self.notes))
        cells = list(self._labels(column))
        several = _separator([cell for cell in cells if isinstance(cell, str)])
        for row, cell in zip(self.rows, cells, strict=True):
            text = row[self.file].strip()
            if not text:
                continue
            found = index.find(text, folder)
            part = SPLIT.get(row[self.part].strip().lower()) if self.part is not None else of_table
            labels = [cell] if isinstance(cell, str) else cell
            if several is not None:
                labels = [piece for label in labels for piece in label.split(several)]
            given.add(text, found, labels, part)
        return given

    def _labels(self, column: str) -> Iterator[str | list[str]]:
        if column == ONE_HOT:
            for row in self.rows:
                yield [self.header[c] for c in self.one_hot if row[c].strip().lower() in _ONE]
        else:
            at = self.header.index(column)
            for row in self.rows:
                yield row[at]


def column_words(column: str) -> str:
    return column if column == ONE_HOT else f"column {titles([column])[0]!r}"


def is_called_label(column: str) -> bool:
    return column == ONE_HOT or any(word in column.lower() for word in _CALLED_LABEL)


def read_table(name: str, data: bytes, index: FileIndex, candidates: bool = False) -> Table:
    """The table in `data`, whatever its separator and encoding. candidates: a column of several labels for each image
    will do, if there is none of classes. Raises NoTable where it names no image, or holds no column of classes;
    DataError where it is too long.
    """
    shown = short_name(name)
    if len(data) > LARGEST_TABLE:
        raise DataError(
            f"{shown} has more than {LARGEST_TABLE / 1e6:.0f} MB, but a table of labels may have at most that: keep"
            " the columns of file names and classes only."
        )
    text, notes = _text(data, shown)
    folder = name.rpartition("/")[0]
    separator, file = _separator_and_file(text, index, folder)
    rows = _rows(text, separator, shown)
    if not rows:
        raise NoTable("a table without rows")
    width = max(len(row) for row in rows)
    if width > _MOST_COLUMNS:
        raise NoTable(f"a table of more than {_MOST_COLUMNS:,} columns")
    rows = [row + [""] * (width - len(row)) for row in rows]
    header = _header(rows[0])
    # A heading names no file, where the rows below it do.
    if index.find(rows[0][file], folder) or len(rows) == 1:
        header = [f"column {c + 1}" for c in range(width)]
    else:
        rows = rows[1:]
    table = Table(name, header, rows, file, [], False, notes=notes)
    _find_columns(table, index, folder, candidates)
    if not table.labels:
        raise NoTable("a table without a column of classes")
    return table


def _text(data: bytes, shown: str) -> tuple[str, list[str]]:
    """Decoded, and what to say of it. Raises NoTable."""
    notes: list[str] = []
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings: Sequence[str] = ("utf-16",)
    elif data[1:200:2].count(0) > len(data[1:200:2]) // 2:
        encodings = ("utf-16-le",)
    elif data[0:200:2].count(0) > len(data[0:200:2]) // 2:
        encodings = ("utf-16-be",)
    else:
        encodings = ("utf-8-sig", "cp1252")
    for encoding in encodings:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" in text:
            raise NoTable("a table with NUL characters")
        if encoding == "cp1252":
            notes.append(
                f"{shown} is not UTF-8 and was read as Windows-1252: check the names of the classes, and save it as"
                " UTF-8 if they look wrong."
            )
        return text, notes
    raise NoTable("a table that is neither UTF-8, UTF-16 nor Windows-1252")


def _separator_and_file(text: str, index: FileIndex, folder: str) -> tuple[str, int]:
    """The separator by which one column names the most files, and that column. Raises NoTable."""
    best: tuple[int, str, int] | None = None
    broken = False
    for separator in _SEPARATORS:
        sample: list[list[str]] = []
        try:
            sample.extend(islice(csv.reader(io.StringIO(text, newline=""), delimiter=separator), _SAMPLE))
        except csv.Error:
            broken = True
            continue
        for column in range(min(_MOST_COLUMNS, max(map(len, sample), default=0))):
            cells = [row[column] for row in sample if len(row) > column and row[column].strip()]
            rows = [found[0] for cell in cells if (found := index.find(cell, folder))]
            named = len(set(rows))
            # Numbers can be the names of some files by chance: 7 is 7.png, in every row.
            is_column = named >= _UNIQUE * len(rows) and (2 * len(rows) >= len(cells) or 2 * named >= index.count)
            if named and is_column and any(len(row) > 1 for row in sample) and (best is None or named > best[0]):
                best = (named, separator, column)
    if best is None:
        raise NoTable(_BROKEN if broken else "a table that names none of the images")
    return best[1], best[2]


def _rows(text: str, separator: str, shown: str) -> list[list[str]]:
    # Strict: a quote that is never closed would make one cell of all rows behind it.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        rows = [row for row in islice(reader, MOST_ROWS + 2) if any(cell.strip() for cell in row)]
    except csv.Error:
        raise NoTable(_BROKEN) from None
    if len(rows) > MOST_ROWS + 1:
        raise DataError(
            f"{shown} has more than {MOST_ROWS:,} rows: keep those of the images in this folder, one row for each."
        )
    return rows


def _header(row: list[str]) -> list[str]:
    """Names for the columns, each another one."""
    return titles([cell.strip() or f"column {c + 1}" for c, cell in enumerate(row)])


def _find_columns(table: Table, index: FileIndex, folder: str, candidates: bool) -> None:
    """Which columns can hold classes, and which the split."""
    columns = list(zip(*table.rows, strict=True))
    possible: list[int] = []
    binary: list[int] = []
    sets: list[int] = []
    for c, cells in enumerate(columns):
        values = [value for cell in cells if (value := cell.strip()).lower() not in NO_LABEL]
        distinct = set(values)
        if c == table.file or not values:
            continue
        if all(value.lower() in SPLIT for value in distinct):
            table.part = c
        elif {value.lower() for value in distinct} <= _ZERO | _ONE:
            binary.append(c)
        elif not _is_measured(distinct) and not _names_files(values, index, folder):
            # Of sets of labels no two need be alike, where their pieces are.
            if _repeats(values):
                possible.append(c)
            elif (between := _separator(values)) and _repeats([p for v in values for p in v.split(between)]):
                sets.append(c)
    if len(binary) > 1 and _is_one_hot([columns[c] for c in binary]):
        table.one_hot = binary
    else:
        possible = sorted(possible + [c for c in binary if len({cell.strip() for cell in columns[c]} - {""}) > 1])
    if candidates and not possible and not table.one_hot:
        possible = sets
    names = [table.header[c] for c in possible] + ([ONE_HOT] if table.one_hot else [])
    called = [name for name in names if is_called_label(name)]
    table.is_sure = len(names) == 1 or len(called) == 1
    table.labels = called + [name for name in names if name not in called]


def _is_measured(values: set[str]) -> bool:
    """Numbers of which one is no whole number: measured, not chosen among a few."""
    try:
        return any(not float(value).is_integer() for value in values)
    except (ValueError, OverflowError):
        return False


def _names_files(values: list[str], index: FileIndex, folder: str) -> bool:
    sample = values[:_SAMPLE]
    named = {rows[0] for value in sample if (rows := index.find(value, folder))}
    return len(named) > len(sample) // 2


def _repeats(values: list[str]) -> bool:
    """Classes come again; captions, dates and identifiers hardly do."""
    distinct = len(set(values))
    return 1 < distinct < len(values) and (distinct <= len(values) // 2 or len(values) < 20)


def _is_one_hot(columns: list[tuple[str, ...]]) -> bool:
    """One 1 in nearly every row, and never two."""
    ones = [sum(cell.strip().lower() in _ONE for cell in row) for row in zip(*columns, strict=True)]
    return max(ones) == 1 and sum(ones) > len(ones) // 2


def _separator(cells: list[str]) -> str | None:
    """What stands between several labels of one image, if labels can stand so: the pieces are then fewer than the
    cells, where names such as "plant|rose" have more pieces.
    """
    distinct = {cell for cell in cells if cell.strip()}
    for separator in (";", "|"):
        if any(separator in cell for cell in distinct):
            pieces = {piece.strip() for piece in chain.from_iterable(cell.split(separator) for cell in distinct)} - {""}
            if len(pieces) < len(distinct):
                return separator
    return None
