"""Files of labels beside the images, tables and the exports of annotation tools, and the ways to read them."""

from __future__ import annotations

import re
from typing import NamedTuple

from engine.data.importing.file_index import FileIndex
from engine.data.importing.folder_layout import SPLIT, Part, called_image
from engine.data.importing.given_labels import GivenLabels
from engine.data.importing.image_files import ImageFiles
from engine.data.importing.label_files import LABEL_FILE_ENDINGS, LARGEST_LABEL_FILE, read_label_file
from engine.data.importing.label_table import LARGEST_TABLE, TABLE_ENDINGS, NoTable, Table, is_called_label, read_table
from engine.errors import ImageError

_MOST_FILES = 50  # that are looked into
_MOST_TEXTS = 10  # .txt and .xml: annotations of boxes are one for each image
_MOST_OPTIONS = 12


class Option(NamedTuple):
    """One way to read the classes. value: what `label_column` chooses it by. is_labels: whether they are classes beyond
    doubt, by their name or as no measured numbers are.
    """

    value: str
    given: GivenLabels
    is_labels: bool = True


class Sources(NamedTuple):
    """options: the best first. is_sure: whether the first is read without asking. rows: of the files that are read.
    unread: by row, why a file that is called like one of labels is none.
    """

    options: list[Option]
    is_sure: bool
    rows: set[int]
    unread: dict[int, str]


def find_sources(files: ImageFiles, names: list[str], own: list[int], candidates: bool = False) -> Sources:
    """Look into the files of labels. own: rows that are no junk. candidates: whether images may have several labels.
    Raises DataError for one that is too long.
    """
    endings = (*TABLE_ENDINGS, *LABEL_FILE_ENDINGS)
    of_labels = [row for row in own if names[row].lower().endswith(endings)]
    for ending in (".txt", ".xml"):
        texts = {row for row in of_labels if names[row].lower().endswith(ending)}
        if len(texts) > _MOST_TEXTS:
            of_labels = [row for row in of_labels if row not in texts]
    images = [row for row in own if called_image(names[row])]
    images = images or [row for row in own if not names[row].lower().endswith(endings)]
    if not images or not of_labels or len(of_labels) > _MOST_FILES:
        return Sources([], True, set(), {})
    index = FileIndex(names, images)
    tables: dict[tuple[str, ...], list[Table]] = {}  # those with the same heading are one table in pieces
    exports: dict[str, list[GivenLabels]] = {}
    rows: set[int] = set()
    unread: dict[int, str] = {}
    for row in of_labels:
        name = names[row]
        try:
            if name.lower().endswith(LABEL_FILE_ENDINGS):
                tool, given = read_label_file(name, files.read(files.files[row], LARGEST_LABEL_FILE), index)
                exports.setdefault(tool, []).append(given)
            else:
                table = read_table(name, files.read(files.files[row], LARGEST_TABLE), index, candidates)
                tables.setdefault(tuple(table.header), []).append(table)
            rows.add(row)
        except (NoTable, ImageError) as error:
            if not name.lower().endswith(".txt"):  # of any other text it is said that it is no image
                unread[row] = error.reason if isinstance(error, ImageError) else str(error)
    several = len(tables) + len(exports) > 1
    options = []
    for group in tables.values():
        for column in group[0].labels:
            value = f"{group[0].name}:{column}" if several else column
            given = _joined(group, column, index)
            is_labels = is_called_label(column) or not all(one.isdecimal() for one in given.classes())
            options.append(Option(value, given, is_labels))
    options += [Option(group[0].name, _all_of(group)) for group in exports.values()]
    is_sure = not several and all(table.is_sure for group in tables.values() for table in group)
    return Sources(options[:_MOST_OPTIONS], is_sure, rows, unread)


def _joined(group: list[Table], column: str, index: FileIndex) -> GivenLabels:
    group = [table for table in group if column in table.labels]
    parts = _parts([table.name for table in group])
    return _all_of([table.given(column, index, part) for table, part in zip(group, parts, strict=True)], False)


def _all_of(group: list[GivenLabels], by_name: bool = True) -> GivenLabels:
    """The labels of all. by_name: their names may say which part of the split they are of."""
    if by_name:
        for given, part in zip(group, _parts([given.name for given in group]), strict=True):
            if part is not None:
                given.parts = dict.fromkeys(given.labels, part) | given.parts
    first, *others = group
    for other in others:
        first.join(other)
    return first


def _parts(names: list[str]) -> list[Part | None]:
    """The part of the split in each name, such as train_labels.csv, where the names tell different ones."""
    words = [re.split(r"[^a-z]+", name.rpartition("/")[2].lower()) for name in names]
    parts = [next((SPLIT[word] for word in some if word in SPLIT), None) for some in words]
    return parts if len(set(parts)) > 1 else [None] * len(names)
