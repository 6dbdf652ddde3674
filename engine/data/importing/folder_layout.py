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
UNLABELED = {"unlabeled", "unlabelled", "unsorted", "unknown", "no_label"}
IMAGE_ENDINGS = (
    *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".gif", ".bmp", ".webp", ".tif", ".tiff"),
    *(".heic", ".heif", ".hif", ".avif"),
)
_Path = tuple[int, tuple[str, ...]]  # the row of a name, and its parts
# Folders inside a part of a split that hold all its images and are no class: train/images/cat/1.jpg.
_WRAPPERS = {"images", "image", "imgs", "img", "photos", "pictures", "data", "files", "jpg", "jpeg", "png"}
_MOST_OUTER = 100  # folders around everything; an archive may claim 30,000
_LONGEST_NAME = 1_000  # characters of a class name that are looked at
_JUNK = {"thumbs.db", "desktop.ini", "__macosx"}


class LayoutFile(NamedTuple):
    """Where one file belongs. row: in the list of names. of: its class, None for unlabeled. loose: whether it is
    unlabeled because it lies beside the class folders, and not in a folder of unlabeled images. candidates: where
    several classes are given, those, one of which it is.
    """

    row: int
    of: str | None
    part: Part
    loose: bool = False
    candidates: tuple[str, ...] = ()


class Layout(NamedTuple):
    """files: in the order of the names, sorted; those beside outer folders come first. skipped: [row, reason].
    ambiguity: where the folders can be read in two ways, which ones and what to do: a sentence without its subject.
    split: whether the class folders lie in folders of a split.
    """

    files: list[LayoutFile]
    skipped: list[tuple[int, str]]
    ambiguity: str | None = None
    split: bool = False


def arrange(names: Sequence[str]) -> Layout:
    """Read the layout off the names (parts joined by /).

    What macOS and Windows leave behind, and everything hidden, is passed over in silence. Folders around everything are
    tolerated, however many: what is left then may be images without any class. There is a split if a folder `train`
    holds folders of its own; what then lies beside `train`, `val`, `test` and `unlabeled` is skipped, and a folder such
    as `images` between `train` and its class folders is looked through. Files beside class folders are unlabeled.
    Images may lie deeper than their class folder.
    """
    paths = _without_outer_folders(
        [
            (row, parts)
            for row, parts in sorted(
                ((row, tuple(name.split("/"))) for row, name in enumerate(names)), key=lambda item: item[1]
            )
            if not is_junk(parts)
        ]
    )
    paths = _without_outer_folders(_without_wrappers(paths))
    split = any(len(parts) > 2 and SPLIT.get(parts[0].lower()) == "training" for _, parts in paths)
    files: list[LayoutFile] = []
    skipped: list[tuple[int, str]] = []
    for row, parts in paths:
        understood = _layout_file(row, parts, split)
        if isinstance(understood, str):
            skipped.append((row, understood))
        else:
            files.append(understood)
    return Layout(files, skipped, None if split else _ambiguity([parts for _, parts in paths]), split)


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


def called_image(name: str) -> bool:
    """By its ending. What a file is, its bytes decide; where it lies among others is asked before any is read."""
    return name.lower().endswith(IMAGE_ENDINGS)


def is_junk(parts: Sequence[str]) -> bool:
    """What macOS and Windows leave behind, and everything hidden."""
    return any(part.startswith(".") or part.lower() in _JUNK for part in parts)


def _without_outer_folders(paths: list[_Path]) -> list[_Path]:
    """The paths as seen from the innermost folder that everything lies in. Loose files on the way down stay loose."""
    passed: list[_Path] = []  # loose files above
    depth = 0
    while depth < _MOST_OUTER:
        loose = [(row, parts[depth:]) for row, parts in paths if len(parts) == depth + 1]
        deeper = [(row, parts) for row, parts in paths if len(parts) > depth + 1]
        tops = {parts[depth] for _, parts in deeper}
        if len(tops) != 1:
            break
        top = tops.pop().lower()
        if top in UNLABELED or (top in SPLIT and any(len(parts) > depth + 2 for _, parts in deeper)):
            break
        # Images in the only folder and beside it: that folder may be a class, and leaving it would lose the class.
        called_images = any(called_image(parts[0]) for _, parts in passed + loose)
        if called_images and any(len(parts) == depth + 2 for _, parts in deeper):
            break
        passed, paths, depth = passed + loose, deeper, depth + 1
    return passed + [(row, parts[depth:]) for row, parts in paths]


def _without_wrappers(paths: list[_Path]) -> list[_Path]:
    """Without the one folder that holds everything in `train`, where its name says nothing of a class; in `val` and
    `test` the same.
    """
    inside: dict[str, set[str]] = {}
    for _, parts in paths:
        if len(parts) > 2 and parts[0].lower() in SPLIT:
            inside.setdefault(parts[0], set()).add(parts[1].lower())
    wrapped = {top for top, folders in inside.items() if len(folders) == 1 and folders <= _WRAPPERS}
    return [(row, (parts[0], *parts[2:]) if len(parts) > 2 and parts[0] in wrapped else parts) for row, parts in paths]


def _layout_file(row: int, parts: tuple[str, ...], split: bool) -> LayoutFile | str:
    top = parts[0].lower()
    if len(parts) > 1 and top in UNLABELED:
        return LayoutFile(row, None, "training")
    if not split:
        return LayoutFile(row, parts[0] if len(parts) > 1 else None, "training", loose=len(parts) == 1)
    if len(parts) == 1 or top not in SPLIT:
        return "beside train and test"
    part = SPLIT[top]
    if len(parts) > 2 and parts[1].lower() not in UNLABELED:
        return LayoutFile(row, parts[1], part)
    if part != "training":
        return f"unlabeled but a {part} image"
    return LayoutFile(row, None, part, loose=len(parts) == 2)


def _ambiguity(paths: list[tuple[str, ...]]) -> str | None:
    """Why folders named like parts of a split can be neither that for sure nor classes; None where there is no doubt.
    `train` holds no folders.
    """
    inside: dict[str, set[str]] = {}  # folders of a top folder
    for parts in paths:
        if len(parts) > 1 and parts[0].lower() not in UNLABELED:
            inside.setdefault(parts[0], set()).update(parts[1:-1][:1])
    parts_of_split = sorted(name for name in inside if name.lower() in SPLIT)
    classes = inside.keys() - set(parts_of_split)
    shown = " and ".join(repr(title) for title in titles(parts_of_split))
    if len(parts_of_split) > 1 and not classes:
        return (
            f"has no folders but {shown} and no class folders inside a training folder, so these can be classes or a"
            " split: put the images of each class into a folder of its own, such as train/cat/1.jpg and"
            " test/cat/1.jpg, or rename these folders to what their images show."
        )
    if len(parts_of_split) == 1 and not classes and inside[parts_of_split[0]]:
        return (
            f"has no folder but {shown}, which names a part of a split, and no training images: choose that folder"
            " itself, or put the training images beside it, such as train/cat/1.jpg."
        )
    for name in parts_of_split:
        if inside[name] and inside[name] <= classes:
            return (
                f"has the folder {titles([name])[0]!r} beside class folders of the same names as the folders inside it,"
                " so it can be a class or a part of a split: move the class folders beside it into a folder train, or"
                " rename it to what its images show."
            )
    return None
