"""What a person's files mean, before any image is decoded: which class and part each is of, by folders, by a table or
by nothing at all; and where two readings are possible, which ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from engine.data.importing.folder_layout import (
    SPLIT,
    Layout,
    LayoutFile,
    Part,
    arrange,
    called_image,
    is_junk,
    natural,
    titles,
)
from engine.data.importing.given_labels import GivenLabels
from engine.data.importing.image_files import ImageFiles
from engine.data.importing.label_sources import Sources, find_sources
from engine.data.importing.names_as_classes import NamedClasses, classes_in_names
from engine.errors import DataError
from engine.images.decode import short_name

LabelsFrom = Literal["auto", "folders", "table", "names", "none"]
_LISTED = 6  # names in a sentence


class Choice(NamedTuple):
    """One of several readings: the setting of the data set that chooses it, its value, and what it would mean."""

    setting: str
    value: str
    words: str


@dataclass
class Understood:
    """words: the layout in a few words. left_out: names and reasons of what is no image of the set. notes: sentences on
    how the labels were read. choices: where another reading is possible, all of them. question: where they are as good
    as each other, which ones and what to do: a sentence without its subject.
    """

    layout: Layout
    words: str
    left_out: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    choices: list[Choice] = field(default_factory=list)
    question: str | None = None


def understand(
    files: ImageFiles, labels_from: LabelsFrom = "auto", label_column: str = "", candidates: bool = False
) -> Understood:
    """Read the layout off the names, and off the tables among the files. Sorts `files.files`, which the rows count.
    candidates: several labels of one image are those it may have, one of which is true. Raises DataError where a choice
    names what is not there.
    """
    # Two files may have one name once their Unicode is composed: then it is not for the file system to order them.
    files.files.sort(key=lambda file: (file.name, str(file.location)))
    names = [file.name for file in files.files]
    own = [row for row, name in enumerate(names) if not is_junk(name.split("/"))]
    folders = arrange(names)
    sources = Sources([], True, set(), {})
    if labels_from in ("auto", "table"):
        sources = find_sources(files, names, own, candidates)
    if sources.options:
        understood = _by_sources(files, names, own, sources, folders, labels_from, label_column, candidates)
    elif labels_from == "table" or label_column:
        why = "".join(f" ({short_name(names[row])}: {reason})" for row, reason in [*sources.unread.items()][:1])
        raise DataError(
            f"{files.shown} has no file of labels{why}: add a CSV file with a column of file names and a column of"
            " classes, or leave data.labels_from and data.label_column as they were."
        )
    else:
        understood = _by_folders(folders, names, own, labels_from)
    understood.left_out[:0] = files.skipped
    understood.left_out += [(names[row], reason) for row, reason in sources.unread.items()]
    used = sources.unread.keys() | sources.rows
    kept = [file for file in understood.layout.files if file.row not in used]
    understood.left_out += [(names[row], reason) for row, reason in understood.layout.skipped if row not in used]
    understood.layout = understood.layout._replace(files=kept)
    return understood


# by folders


def _by_folders(folders: Layout, names: list[str], own: list[int], labels_from: LabelsFrom) -> Understood:
    if labels_from == "none":
        unlabeled = [LayoutFile(row, None, "training") for row in own]
        return Understood(Layout(unlabeled, []), "images without labels")
    classes = {file.of for file in folders.files if file.of is not None and called_image(names[file.row])}
    named = _in_names(folders, names, own, classes)
    if labels_from == "names" or (labels_from == "auto" and named is not None and named.is_sure):
        return _by_names(named, names, own)
    if not classes:
        words = "images without labels"
    elif folders.split:
        words = "class folders in folders of a split"
    else:
        words = "one folder per class"
    if labels_from == "folders" or (folders.ambiguity is None and named is None):
        return Understood(folders._replace(ambiguity=None), words)
    choices = []
    if classes:
        as_classes = ", ".join(titles(sorted(classes, key=natural)[:_LISTED]))
        choices.append(Choice("labels_from", "folders", f"each folder is a class: {as_classes}"))
    if named is not None:
        some = _some_classes(_given_by_names(named))
        choices.append(Choice("labels_from", "names", f"the class is in the name of each file: {some}"))
    choices.append(Choice("labels_from", "none", "images without labels"))
    question = folders.ambiguity
    if named is not None:
        values = [f"data.labels_from={choice.value} ({choice.words})" for choice in choices]
        question = f"can be read in {len(values)} ways: choose {', '.join(values[:-1])} or {values[-1]}."
    return Understood(folders, words, choices=choices, question=question)


# by the names of files


def _in_names(folders: Layout, names: list[str], own: list[int], classes: set[str]) -> NamedClasses | None:
    """The classes in the file names, where no folders tell others: all images are without a class, or lie in folders
    such as `train`, of which the file names are asked.
    """
    of_split = {of for of in classes if of.lower() in SPLIT}
    if classes and (folders.split or not of_split):
        return None
    asked = {file.row for file in folders.files if file.of in of_split} if of_split else set(own)
    return classes_in_names(names, [row for row in own if row in asked and called_image(names[row])])


def _given_by_names(named: NamedClasses) -> GivenLabels:
    labels = {row: (of,) for row, of in named.of.items()}
    return GivenLabels("the file names", "the file names", dict(labels))


def _by_names(named: NamedClasses | None, names: list[str], own: list[int]) -> Understood:
    if named is None:
        raise DataError(
            "The names of these files tell no classes: call them by a class and a number, such as daisy_001.jpg, or"
            " choose data.labels_from=auto."
        )
    given = _given_by_names(named)
    given.labels = {row: given.labels.get(row, ()) for row in own}
    layout, notes, _ = _layout_of_given(given, names, own)
    return Understood(layout, "the class in the name of each file", notes=notes)


# by files of labels


def _by_sources(
    files: ImageFiles,
    names: list[str],
    own: list[int],
    sources: Sources,
    folders: Layout,
    labels_from: LabelsFrom,
    label_column: str,
    candidates: bool,
) -> Understood:
    """The reading by files of labels, or by the folders where they say the same."""
    chosen = sources.options[0]
    if label_column:
        by_value = {option.value.casefold(): option for option in sources.options}
        if label_column.strip().casefold() not in by_value:
            listed = ", ".join(repr(option.value) for option in sources.options[:_LISTED])
            raise DataError(
                f"data.label_column is {label_column!r}, which is no column of classes in {files.shown}: choose one of"
                f" {listed}."
            )
        chosen = by_value[label_column.strip().casefold()]
    folder_of: dict[int, str | None] = {
        file.row: file.of for file in folders.files if file.of is not None and called_image(names[file.row])
    }
    has_folders = folders.ambiguity is None and len(set(folder_of.values())) > 1
    is_open = labels_from == "auto" and has_folders and not label_column
    possible = sources.options[:1] if sources.is_sure else sources.options
    if is_open and not any(option.is_labels for option in sources.options):
        understood = _by_folders(folders, names, own, labels_from)
        understood.notes.append(f"{short_name(chosen.given.name)} has numbers of the images and is not read.")
        return understood
    if is_open and (same := [option for option in possible if _agrees(option.given, folders, folder_of)]):
        understood = _by_folders(folders, names, own, labels_from)
        understood.notes.append(f"{short_name(same[0].given.name)} says of the images what their folders do.")
        return understood
    layout, notes, unknown = _layout_of_given(chosen.given, names, own, candidates)
    understood = Understood(layout, f"labels in {chosen.given.words}", unknown, notes)
    if len(sources.options) > 1:
        understood.choices = [
            Choice("label_column", option.value, f"{option.given.words}: {_some_classes(option.given)}")
            for option in sources.options
        ]
    if is_open:
        of_folders = ", ".join(titles(sorted(set(map(str, folder_of.values())))[:_LISTED]))
        shown = short_name(chosen.given.name)
        understood.choices = [
            Choice("labels_from", "folders", f"each folder is a class: {of_folders}"),
            Choice("labels_from", "table", f"the classes are those of {shown}: {_some_classes(chosen.given)}"),
            *understood.choices,
        ]
        understood.question = (
            f"has class folders and labels in {shown}, and they say different things of the images: choose"
            " data.labels_from=folders or data.labels_from=table."
        )
    elif not sources.is_sure and not label_column:
        values = " or ".join(repr(option.value) for option in sources.options[:_LISTED])
        understood.question = f"has labels that can be read as {values}: choose one by data.label_column."
    return understood


def _some_classes(given: GivenLabels) -> str:
    classes = sorted(given.classes(), key=natural)
    more = f" and {len(classes) - _LISTED} more" if len(classes) > _LISTED else ""
    return ", ".join(titles(classes[:_LISTED])) + more


def _agrees(given: GivenLabels, folders: Layout, folder_of: Mapping[int, str | None]) -> bool:
    """Whether a file of labels says what the folders do, be it under other names, and nothing more."""
    pairs = {(folder_of.get(row), labels) for row, labels in given.labels.items() if labels}
    part_of = {file.row: file.part for file in folders.files}
    return (
        len(pairs) == len({of for of, _ in pairs}) == len({labels for _, labels in pairs})
        and None not in {of for of, _ in pairs}
        and all(part_of.get(row) == part for row, part in given.parts.items())
    )


def _layout_of_given(
    given: GivenLabels, names: list[str], own: list[int], candidates: bool = False
) -> tuple[Layout, list[str], list[tuple[str, str]]]:
    """Where each file belongs by the labels that come beside them; what to say of it; and what is named without being
    there. A part that the source does not say is told by a folder such as `test`, if that leaves images to train with.
    """
    shown = short_name(given.name)
    parts: dict[int, Part] = {row: given.parts.get(row) or _part_by_folder(names[row]) for row in own}
    if not any(parts.get(row) == "training" and labels for row, labels in given.labels.items()):
        parts = {row: given.parts.get(row, "training") for row in own}
    files: list[LayoutFile] = []
    skipped: list[tuple[int, str]] = []
    not_named: list[int] = []
    several: list[int] = []
    for row in sorted(own, key=lambda row: tuple(names[row].split("/"))):
        labels = given.labels.get(row, ())
        if row in given.two:
            skipped.append((row, f"in {given.name} with two labels"))
        elif len(labels) == 1:
            files.append(LayoutFile(row, labels[0], parts[row]))
        elif parts[row] != "training":
            skipped.append((row, f"unlabeled but a {parts[row]} image"))
        else:
            files.append(LayoutFile(row, None, "training", candidates=labels if candidates else ()))
            if called_image(names[row]) and row not in given.labels:
                not_named.append(row)
            if len(labels) > 1:
                several.append(row)
    notes = [f"The classes are those of {given.words}.", *given.notes]
    if not_named:
        notes.append(_used_unlabeled(not_named, names, f"not in {shown}"))
    if several:
        notes.append(
            _with_candidates(several, names, shown)
            if candidates
            else _used_unlabeled(
                several, names, f"given several labels in {shown}, which methods for partial labels can learn from,"
            )
        )
    unknown = [(name, f"in {given.name}, but not among the files") for name in given.unknown]
    unknown += [(name, f"in {given.name}, but several files can be meant") for name in given.unclear]
    return Layout(files, skipped), notes, unknown


def _part_by_folder(name: str) -> Part:
    return next((SPLIT[part] for part in name.lower().split("/")[:-1] if part in SPLIT), "training")


def _used_unlabeled(rows: list[int], names: list[str], why: str) -> str:
    example = short_name(names[rows[0]])
    if len(rows) == 1:
        return f"1 image is {why} and used as an unlabeled image: {example}."
    return f"{len(rows):,} images are {why} and used as unlabeled images, such as {example}."


def _with_candidates(rows: list[int], names: list[str], shown: str) -> str:
    example = short_name(names[rows[0]])
    if len(rows) == 1:
        return f"1 image has several labels in {shown}, one of which is taken to be true: {example}."
    count = f"{len(rows):,} images have"
    return f"{count} several labels each in {shown}, one of which is taken to be true, such as {example}."
