"""From the names of a folder's files to classes and parts: `class/...`, `train|val|test/class/...`, and an optional
`unlabeled/`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

Part = Literal["training", "validation", "test"]
SPLIT: dict[str, Part] = {  # folders of a split, in any case
    **dict.fromkeys(("train", "training", "training_set", "train_set"), "training"),
    **dict.fromkeys(("val", "valid", "validation", "validation_set"), "validation"),
    **dict.fromkeys(("test", "testing", "test_set"), "test"),
}
UNLABELED = {"unlabeled", "unlabelled"}
_LONGEST_NAME = 1_000  # characters of a class name that are looked at
_JUNK = {"thumbs.db", "desktop.ini", "__macosx"}


class LayoutFile(NamedTuple):
    """Where one file belongs. row: in the list of names. of: its class, None for unlabeled."""

    row: int
    of: str | None
    part: Part


class Layout(NamedTuple):
    """files: in the order of the names, sorted. skipped: [row, reason]."""

    files: list[LayoutFile]
    skipped: list[tuple[int, str]]


def arrange(names: Sequence[str]) -> Layout:
    """Read the layout off the names (parts joined by /).

    What macOS and Windows leave behind, and everything hidden, is passed over in silence. One folder around everything
    is tolerated. There is a split if a folder `train` holds folders of its own; what then lies beside `train`, `val`,
    `test` and `unlabeled` is skipped. Images may lie deeper than their class folder.
    """
    paths = [
        (row, parts)
        for row, parts in sorted(
            ((row, tuple(name.split("/"))) for row, name in enumerate(names)), key=lambda item: item[1]
        )
        if not _is_junk(parts)
    ]
    tops = {parts[0] for _, parts in paths}
    if (
        len(tops) == 1
        and all(len(parts) > 1 for _, parts in paths)
        and tops.pop().lower() not in SPLIT.keys() | UNLABELED
    ):
        paths = [(row, parts[1:]) for row, parts in paths]
    split = any(len(parts) > 2 and SPLIT.get(parts[0].lower()) == "training" for _, parts in paths)
    files: list[LayoutFile] = []
    skipped: list[tuple[int, str]] = []
    for row, parts in paths:
        understood = _layout_file(row, parts, split)
        if isinstance(understood, str):
            skipped.append((row, understood))
        else:
            files.append(understood)
    return Layout(files, skipped)


def natural(name: str) -> tuple[tuple[tuple[int, str], ...], str]:
    """Sorts "class 2" before "class 10", and numbers before words. A total order: what is equal as numbers, such as "1"
    and "01", is sorted by its letters.
    """
    parts = tuple(
        (int(part), "") if part.isdecimal() and part.isascii() else (10**18, part)
        for part in re.split(r"([0-9]{1,18})", name)
        if part
    )
    return parts, name


def titles(classes: Sequence[str]) -> list[str]:
    """Names for people: one line, at most 60 characters, and still different from each other."""
    shown: dict[str, None] = {}
    counts: dict[str, int] = {}
    for name in classes:
        # What is shown of it is at its beginning, and a name may be as long as an archive says.
        clean = " ".join("".join(c if c.isprintable() else " " for c in name[:_LONGEST_NAME]).split()) or "?"
        title = short = clean if len(clean) <= 60 else clean[:59] + "…"
        while title in shown:
            counts[short] = counts.get(short, 1) + 1
            title = f"{short} ({counts[short]})"
        shown[title] = None
    return list(shown)


def _layout_file(row: int, parts: tuple[str, ...], split: bool) -> LayoutFile | str:
    top = parts[0].lower()
    if len(parts) == 1:
        return "in no class folder"
    if top in UNLABELED:
        return LayoutFile(row, None, "training")
    if not split:
        return LayoutFile(row, parts[0], "training")
    if top not in SPLIT:
        return "beside train and test"
    part = SPLIT[top]
    if len(parts) == 2:
        return "in no class folder"
    if parts[1].lower() not in UNLABELED:
        return LayoutFile(row, parts[1], part)
    return LayoutFile(row, None, part) if part == "training" else f"unlabeled but a {part} image"


def _is_junk(parts: tuple[str, ...]) -> bool:
    return any(part.startswith(".") or part.lower() in _JUNK for part in parts)
