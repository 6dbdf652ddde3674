"""What an import read, what it skipped and why: shown after an import and kept beside what it made."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from engine.images.decode import HEIC

NAMED = 50  # skipped files that are kept by name
_LISTED = 6  # classes in a sentence


@dataclass
class Report:
    """Counts of one import.

    read: images in the set. skipped: files by reason. names: [file, reason] of the first NAMED skipped ones. training,
    validation and test: images by class, in the order of the classes; validation is empty where the set came without
    validation images, and each run holds some of the training images out; all three are empty where no image has a
    label. unlabeled: training images without a label. loose: how many of those lay beside the class folders.
    across_parts and across_classes: images that an image of another part of the split, or of another class, shows too;
    duplicates: [file, file] of the first NAMED of those. own_test: whether the set came with test images of its own;
    otherwise a fifth of each class was taken. layout: how the files were understood, in a few words. notes: sentences
    on how their labels were read. Names are as they stand in the files: text to show, never markup.
    """

    read: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    names: list[list[str]] = field(default_factory=list)
    training: dict[str, int] = field(default_factory=dict)
    test: dict[str, int] = field(default_factory=dict)
    validation: dict[str, int] = field(default_factory=dict)
    unlabeled: int = 0
    loose: int = 0
    across_parts: int = 0
    across_classes: int = 0
    duplicates: list[list[str]] = field(default_factory=list)
    own_test: bool = True
    channels: int = 0
    size: int = 0
    seconds: float = 0.0
    layout: str = ""
    notes: list[str] = field(default_factory=list)

    def skip(self, name: str, reason: str) -> None:
        self.skipped[reason] = self.skipped.get(reason, 0) + 1
        if len(self.names) < NAMED:
            self.names.append([name, reason])

    def duplicate(self, first: str, second: str, parts: bool, classes: bool) -> None:
        """Two files that show the same image, in two parts of the split, with two labels, or both."""
        self.across_parts += parts
        self.across_classes += classes
        if len(self.duplicates) < NAMED:
            self.duplicates.append([first, second])

    def classes(self) -> str:
        """Of how many classes the images are, to be put behind their number."""
        return f"of {len(self.training)} classes" if self.training else "without labels"

    def sentences(self) -> list[str]:
        """What a person should know of how the files were understood, a sentence each; of what was skipped, only what
        one more package can read.
        """
        said = [*self.notes]
        if self.validation:
            count = sum(self.validation.values())
            said.append(f"{_images(count)} of its own validation folder {_is(count)} the validation part of every run.")
        if not self.training:
            said.append(
                "No image has a label, because there are no class folders: only methods that learn without labels can"
                " be trained, such as SimCLR."
            )
        elif self.loose:
            lying = "lies" if self.loose == 1 else "lie"
            used = "is used as an unlabeled image" if self.loose == 1 else "are used as unlabeled images"
            said.append(f"{_images(self.loose)} {lying} in no class folder and {used}.")
        if heic := self.skipped.get(HEIC, 0):
            photos = "1 HEIC photo was" if heic == 1 else f"{heic:,} HEIC photos were"
            said.append(f"{photos} left out: install pillow-heif, or export {'it' if heic == 1 else 'them'} as JPEG.")
        if self.across_parts:
            said.append(
                f"{_images(self.across_parts)} {_is(self.across_parts)} in two of training, validation and test:"
                " accuracy on them is memory, so remove one of each two."
            )
        if self.across_classes:
            said.append(
                f"{_images(self.across_classes)} {_is(self.across_classes)} in two class folders: remove the wrong"
                " one of each two."
            )
        if self.test and not self.own_test:
            said.append("A fifth of each class is held out for the test set.")
        return said

    def warnings(self) -> list[str]:
        """What is too little of a class to train or to measure with."""
        return class_warnings(self.training, self.test)

    def plain(self) -> dict[str, Any]:
        return asdict(self)


def class_warnings(training: dict[str, int], test: dict[str, int]) -> list[str]:
    """Sentences on classes with no training image, with one, and without a test image. Both: images by class."""
    said = []
    for few, has in ((0, "no training image"), (1, "1 training image")):
        if classes := [name for name, count in training.items() if count == few]:
            said.append(f"{_classes(classes)} {has}{'' if len(classes) == 1 else ' each'}.")
    if any(test.values()) and (classes := [name for name, count in training.items() if count and not test.get(name)]):
        said.append(f"{_classes(classes)} no test image, so test accuracy says nothing of {_them(classes)}.")
    return said


def _classes(names: list[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:_LISTED])
    if len(names) == 1:
        return f"Class {shown} has"
    return f"{len(names):,} classes ({shown}{', …' if len(names) > _LISTED else ''}) have"


def _them(names: list[str]) -> str:
    return "it" if len(names) == 1 else "them"


def _images(count: int) -> str:
    return "1 image" if count == 1 else f"{count:,} images"


def _is(count: int) -> str:
    return "is" if count == 1 else "are"
