"""What was understood of a person's files, to be looked at before anything is imported: the page, the command line and
the import read the same reading (`understanding.py`).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

from engine.data.importing.folder_layout import LayoutFile, called_image, natural, titles
from engine.data.importing.image_files import ImageFiles
from engine.data.importing.import_report import NAMED, class_warnings
from engine.data.importing.understanding import Choice, Understood
from engine.errors import ImageError
from engine.images.decode import HEIC, begins_like_image, optional_formats

_PARTS = ("training", "validation", "test")
_HEAD = 64  # bytes that tell an image from other files
_LOOKED_INTO = 2_000  # files not called images whose first bytes are read
_HEIC_ENDINGS = (".heic", ".heif", ".hif")


@dataclass(frozen=True)
class Preview:
    """By the names of the files, and the tables among them; what is no image in spite of its name, the import finds.

    name: of the folder or archive. layout: how it was understood, in a few words. classes: images by class and part,
    the classes in their order. own_test: whether it brings test images; otherwise the import takes a fifth of each
    class from the training images counted here. unlabeled: training images without a label. left_out: files by reason;
    names: [file, reason] of the first of them. samples: of each class, then of the unlabeled images (under ""), names
    of a few files. notes, warnings: sentences. question: where two readings are as good as each other, what to choose;
    choices: where another reading is possible, all of them. thumbnails: where they were asked for, a PNG in base64 of
    each of the samples that can be read, and side: the median of their shorter sides, in pixels. Names are as they
    stand in the files: text to show, never markup.
    """

    name: str
    layout: str
    classes: dict[str, dict[str, int]]
    own_test: bool
    unlabeled: int
    left_out: dict[str, int]
    names: list[list[str]]
    samples: dict[str, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    choices: list[Choice] = field(default_factory=list)
    question: str | None = None
    thumbnails: dict[str, str] = field(default_factory=dict)
    side: int = 0

    @property
    def images(self) -> int:
        return self.unlabeled + sum(sum(counts.values()) for counts in self.classes.values())

    def plain(self) -> dict[str, Any]:
        return {**asdict(self), "choices": [choice._asdict() for choice in self.choices]}

    @classmethod
    def of_plain(cls, value: dict[str, Any]) -> Preview:
        return cls(**{**value, "choices": [Choice(**choice) for choice in value["choices"]]})


def preview(files: ImageFiles, understood: Understood, test_share: float, samples: int = 4) -> Preview:
    """Count what was understood. test_share: of each class, held out where the files bring no test images."""
    left_out = list(understood.left_out)
    images: list[LayoutFile] = []
    looked_into = 0
    for file in understood.layout.files:
        name = files.files[file.row].name
        reason: str | None = None
        if not called_image(name):
            looked_into += 1
            if looked_into > _LOOKED_INTO or not _begins_like_image(files, file.row):
                reason = "not an image"
        elif name.lower().endswith(_HEIC_ENDINGS) and "HEIF" not in optional_formats():
            reason = HEIC
        if reason is None:
            images.append(file)
        else:
            left_out.append((name, reason))
    trained = {file.of for file in images if file.part == "training"}
    for file in images:
        if file.part != "training" and file.of not in trained:
            left_out.append((files.files[file.row].name, f"a {file.part} image of a class without training images"))
    images = [file for file in images if file.part == "training" or file.of in trained]
    classes = sorted({file.of for file in understood.layout.files if file.of is not None}, key=natural)
    title = dict(zip(classes, titles(classes), strict=True))
    counts: dict[str, dict[str, int]] = {title[of]: dict.fromkeys(_PARTS, 0) for of in classes}
    shown: dict[str, list[str]] = {name: [] for name in counts}
    unlabeled = 0
    for file in images:
        if file.of is None:
            unlabeled += 1
        else:
            counts[title[file.of]][file.part] += 1
        some = shown.setdefault("" if file.of is None else title[file.of], [])
        if len(some) < samples:
            some.append(files.files[file.row].name)
    own_test = any(of["test"] for of in counts.values())
    training = {name: of["training"] for name, of in counts.items()}
    test = {name: of["test"] if own_test else round(test_share * of["training"]) for name, of in counts.items()}
    warnings = class_warnings(training, test)
    if understood.question is None and len(trained - {None}) == 1:
        warnings.insert(0, "There are training images of 1 class only, but an import needs at least 2 classes.")
    if files.empty and classes:
        warnings.append(_empty(files.empty))
    return Preview(
        name=files.shown.strip("'"),
        layout=understood.words,
        classes=counts,
        own_test=own_test,
        unlabeled=unlabeled,
        left_out=dict(Counter(reason for _, reason in left_out)),
        names=[[name, reason] for name, reason in left_out[:NAMED]],
        samples=shown,
        notes=understood.notes,
        warnings=warnings,
        choices=understood.choices,
        question=None if understood.question is None else f"{files.shown} {understood.question}",
    )


def _begins_like_image(files: ImageFiles, row: int) -> bool:
    try:
        return begins_like_image(files.read(files.files[row], _HEAD))
    except ImageError:
        return False


def _empty(folders: list[str]) -> str:
    if len(folders) == 1:
        return f"The folder {titles(folders)[0]!r} is empty."
    return f"{len(folders):,} folders are empty, such as {titles(folders[:1])[0]!r}."
