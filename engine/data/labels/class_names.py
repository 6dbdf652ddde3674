"""Names of classes as people type them: spaces and capitals tell no two classes apart, and what is too long or too much
is refused.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

from engine.data.labels.label_records import LONGEST_CLASS, MOST_CLASSES
from engine.errors import LabelError


def class_called(name: str, classes: Iterable[str]) -> str:
    """That of the classes which is meant by `name`; where it is none of them, `name` without needless spaces. Raises
    LabelError for a name that is too long.
    """
    clean = " ".join(name.split())
    if len(clean) > LONGEST_CLASS:
        raise LabelError(
            f"The name {clean[:40] + '…'!r} has {len(clean):,} letters, but a class may have {LONGEST_CLASS}: shorten"
            " it."
        )
    return next((known for known in classes if _alike(known) == _alike(clean)), clean)


def with_classes(classes: Sequence[str], named: str) -> tuple[str, ...]:
    """The classes with those that are named, separated by commas, behind them. Raises LabelError."""
    found = dict.fromkeys(classes)
    for name in named.split(","):
        if name.strip():
            found.setdefault(class_called(name, found))
    if len(found) > MOST_CLASSES:
        raise LabelError(
            f"{len(found):,} classes are more than the {MOST_CLASSES:,} that a set may have: name only those that are"
            " told apart."
        )
    return tuple(found)


def _alike(name: str) -> str:
    return unicodedata.normalize("NFC", " ".join(name.split())).casefold()
