"""Labels that come from a file: the columns file and class of a CSV, as the Label page writes them."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from engine.csv_text import cell_as_it_was
from engine.data.importing.file_index import FileIndex
from engine.data.importing.given_labels import GivenLabels
from engine.data.labels.class_names import class_called, with_classes
from engine.data.labels.label_records import MOST_IMAGES, Label
from engine.errors import LabelError

_LARGEST = 20 << 20  # bytes


def read_labels(content: bytes, names: Sequence[str]) -> GivenLabels:
    """What a CSV says of the images called `names`, by their place there; what it says of no image, or twice and
    differently, is told apart. Raises LabelError where it is no such file.
    """
    if len(content) > _LARGEST:
        raise LabelError(f"The file has more than {_LARGEST >> 20} MB, which is no list of labels.")
    try:
        if b"\0" in content:
            raise csv.Error("line contains NUL")
        rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    except (UnicodeDecodeError, csv.Error):
        raise LabelError("The file is no CSV in UTF-8: save it again as such.") from None
    if not rows or "file" not in rows[0] or "class" not in rows[0]:
        raise LabelError("The file has no columns named file and class: its first line must name them.")
    given = GivenLabels("labels.csv")
    index = FileIndex(names, range(len(names)))
    for row in rows:
        name, of = (cell_as_it_was((row[column] or "").strip()[:4096]) for column in ("file", "class"))
        if name and of:
            given.add(name, index.find(name), [of], None)
    return given


def as_records(given: GivenLabels, names: Sequence[str], classes: Sequence[str]) -> list[Label]:
    """The records that give these labels; files with two of them get none. classes: those there are. Raises LabelError
    for names that no class can have.
    """
    by_class: dict[str, list[str]] = {}
    known: dict[str, str] = {}  # names of classes by what the file calls them
    for row, labels in given.labels.items():
        if labels and row not in given.two:
            if labels[0] not in known:
                known[labels[0]] = class_called(labels[0], (*classes, *by_class))
            by_class.setdefault(known[labels[0]], []).append(names[row])
    with_classes((*classes, *by_class), "")
    return [
        Label(images=tuple(images[start : start + MOST_IMAGES]), of=of, how="imported")
        for of, images in by_class.items()
        for start in range(0, len(images), MOST_IMAGES)
    ]
