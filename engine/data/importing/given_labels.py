"""Labels that come beside the images, from a table or an export, file by file."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.data.importing.folder_layout import Part

NO_LABEL = {"", "nan", "na", "n/a", "null", "none", "-", "?"}


@dataclass
class GivenLabels:
    """What one source says of the listed files, by their rows.

    name: of the source. words: it and its column, or the tool that wrote it, for sentences. labels: the classes of
    each file that is named, none where it has no label. parts: of those whose part is said. unknown: names that are
    none of the files, in the order they came; unclear: names that can be several files. two: files that are named with
    different labels.
    """

    name: str
    words: str = ""
    labels: dict[int, tuple[str, ...]] = field(default_factory=dict)
    parts: dict[int, Part] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    unclear: list[str] = field(default_factory=list)
    two: set[int] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)

    def add(self, text: str, rows: list[int], labels: list[str], part: Part | None) -> None:
        """One entry: the name it uses, the rows that can mean, the labels, and the part of the split. Labels such as ""
        and "n/a" are none.
        """
        if not rows:
            self.unknown.append(_clean(text))
            return
        if len(rows) > 1:
            self.unclear.append(_clean(text))
            return
        row = rows[0]
        given = tuple(dict.fromkeys(label for label in map(_clean, labels) if label.lower() not in NO_LABEL))
        before = self.labels.get(row)
        if before is not None and (before != given or self.parts.get(row) != part):
            self.two.add(row)
        self.labels[row] = given
        if part is not None:
            self.parts[row] = part

    def join(self, other: GivenLabels) -> None:
        """Take in what another source of the same kind says."""
        for row, labels in other.labels.items():
            if row in self.labels and (self.labels[row], self.parts.get(row)) != (labels, other.parts.get(row)):
                self.two.add(row)
            self.labels[row] = labels
        self.parts |= other.parts
        self.two |= other.two
        self.unknown += other.unknown
        self.unclear += other.unclear
        self.notes += [note for note in other.notes if note not in self.notes]

    def classes(self) -> set[str]:
        return {labels[0] for row, labels in self.labels.items() if len(labels) == 1 and row not in self.two}


def _clean(text: str) -> str:
    """On one line, and of characters only: JSON can hold halves of them."""
    return " ".join(text.encode("utf-8", "replace").decode().split())
