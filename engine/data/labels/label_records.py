"""One line of a label log, checked, and what all lines together say: classes, labels and what was held back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

How = Literal["hand", "accepted", "group", "imported"]
"""by hand; the model's prediction accepted; many images at once; from a file of labels."""

MOST_CLASSES, LONGEST_CLASS = 1_000, 200
MOST_IMAGES = 100_000
"""That one record names."""
_Image = Annotated[str, Field(min_length=1, max_length=4_096)]
_Class = Annotated[str, Field(min_length=1, max_length=LONGEST_CLASS)]


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Label(_Record):
    """These images are of this class; of none any more, where it is None."""

    do: Literal["label"] = "label"
    images: Annotated[tuple[_Image, ...], Field(strict=False, min_length=1, max_length=MOST_IMAGES)]
    of: _Class | None
    how: How = "hand"


class Exclude(_Record):
    """These images are of none of the classes, or should not be in the set: no run sees them. undo: they are back."""

    do: Literal["exclude"] = "exclude"
    images: Annotated[tuple[_Image, ...], Field(strict=False, min_length=1, max_length=MOST_IMAGES)]
    why: Annotated[str, Field(max_length=200)] = "none of these"
    undo: bool = False


class Skip(_Record):
    """These images are not proposed again."""

    do: Literal["skip"] = "skip"
    images: Annotated[tuple[_Image, ...], Field(strict=False, min_length=1, max_length=MOST_IMAGES)]


class Classes(_Record):
    """The classes in their order; labels of a class that is not among them any more are gone."""

    do: Literal["classes"] = "classes"
    classes: Annotated[tuple[_Class, ...], Field(strict=False, max_length=MOST_CLASSES)]


class Rename(_Record):
    """A class has another name; that of another class makes the two one."""

    do: Literal["rename"] = "rename"
    of: _Class
    to: _Class


class HoldBack(_Record):
    """These images, and no others, are the test set."""

    do: Literal["hold_back"] = "hold_back"
    images: Annotated[tuple[_Image, ...], Field(strict=False, max_length=MOST_IMAGES)]


Record = Label | Exclude | Skip | Classes | Rename | HoldBack
_RECORDS: TypeAdapter[Record] = TypeAdapter(Annotated[Record, Field(discriminator="do")])


def read_record(value: Any) -> Record:
    """Raises ValueError for what is none."""
    try:
        return _RECORDS.validate_python(value)
    except ValidationError as error:
        raise ValueError(error.errors(include_url=False)[0]["msg"]) from None


@dataclass(frozen=True, slots=True)
class Given:
    """One image's label. number: of the record that gave it."""

    of: str
    how: How
    number: int


@dataclass
class Labels:
    """What the records say so far.

    classes: in their order. is_list: whether they are all there are; else those that the images came with are classes
    too. given: the labels by image. excluded: why, by image. skipped: images not to be proposed.
    held_back: the test set, in the order in which it is to be labeled. renamed: what classes are called now, by the
    names that they had. number: of the last record.
    """

    classes: tuple[str, ...] = ()
    is_list: bool = False
    given: dict[str, Given] = field(default_factory=dict)
    excluded: dict[str, str] = field(default_factory=dict)
    skipped: set[str] = field(default_factory=set)
    held_back: tuple[str, ...] = ()
    renamed: dict[str, str] = field(default_factory=dict)
    number: int = 0

    def copy(self) -> Labels:
        return Labels(
            self.classes,
            self.is_list,
            dict(self.given),
            dict(self.excluded),
            set(self.skipped),
            self.held_back,
            dict(self.renamed),
            self.number,
        )

    def counts(self) -> dict[str, int]:
        """Labels by class, in the order of the classes."""
        counts = dict.fromkeys(self.classes, 0)
        for label in self.given.values():
            counts[label.of] += 1
        return counts

    def apply(self, record: Record) -> None:
        """A label of a class that is not there yet adds it."""
        self.number += 1
        match record:
            case Label(of=None):
                for image in record.images:
                    self.given.pop(image, None)
            case Label(of=str(of)):
                if of not in self.classes:
                    self.classes = (*self.classes, of)
                for image in record.images:
                    self.excluded.pop(image, None)
                    self.given[image] = Given(of, record.how, self.number)
            case Exclude(undo=True):
                for image in record.images:
                    self.excluded.pop(image, None)
            case Exclude():
                for image in record.images:
                    self.given.pop(image, None)
                    self.excluded[image] = record.why
            case Skip():
                self.skipped.update(record.images)
            case Classes():
                self.classes, self.is_list = tuple(dict.fromkeys(record.classes)), True
                self.given = {image: label for image, label in self.given.items() if label.of in self.classes}
            case Rename(of=before, to=after):
                self.classes = tuple(dict.fromkeys(after if name == before else name for name in self.classes))
                self.renamed = {old: after if new == before else new for old, new in self.renamed.items()}
                self.renamed.setdefault(before, after)
                self.given = {
                    image: Given(after, label.how, label.number) if label.of == before else label
                    for image, label in self.given.items()
                }
            case HoldBack():
                self.held_back = tuple(dict.fromkeys(record.images))
