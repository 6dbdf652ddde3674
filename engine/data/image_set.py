"""ImageSet: images, in memory or memory-mapped, with labels and stable sample ids, and the base class of what loads
one.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.allowed_folders import check_allowed
from engine.config.parts import DataParams
from engine.data.image_traits import ImageTraits
from engine.data.importing.import_report import Report
from engine.errors import ShapeError

if TYPE_CHECKING:
    from engine.data.importing.preview import Preview

Progress = Callable[[int, int], None]
Cancelled = Callable[[], bool]


class Known(NamedTuple):
    """What was computed when a set was imported, because it means reading every pixel. histogram: int64 [C, 256], of
    the training images; None where it is to be counted when somebody asks. pixel_hash: of the same images before their
    labels were changed; empty where they were not.
    """

    content_hash: str
    histogram: NDArray[np.int64] | None
    pixel_hash: str = ""


@dataclass(frozen=True)
class ImageSet:
    """Images of one size.

    images: uint8 [N, C, H, W], C 1 or 3. labels: int64 [N], 0..K-1, -1 where unknown. ids: int64 [N], unique and
    stable: the same image has the same id in every run. is_test: bool [N], the fixed test images. symmetries: what
    leaves the meaning alone ({"flip"}). known: given by who kept it from an import; it must be what would be computed.
    is_validation: bool [N], the set's own validation images, none of them a test image; None where the run draws them
    from the training images. is_excluded: bool [N], images that no run sees, neither test nor validation images; None
    where there are none. file_names: of the files that the images were read from, as they are shown, in the order of
    the images; empty where there were none. candidates: bool [N, K], the classes that an image without a label may have
    where several are given, else nothing in its row; None where no image has several. Raises ShapeError if the arrays
    disagree in N.
    """

    name: str
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    ids: NDArray[np.int64]
    is_test: NDArray[np.bool_]
    class_names: tuple[str, ...]
    symmetries: frozenset[str] = field(default_factory=frozenset)
    known: Known | None = None
    is_validation: NDArray[np.bool_] | None = None
    is_excluded: NDArray[np.bool_] | None = None
    file_names: tuple[str, ...] = ()
    candidates: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        lengths = {len(self.images), len(self.labels), len(self.ids), len(self.is_test)}
        if len(lengths) != 1:
            raise ShapeError(
                f"{self.name}: images, labels, ids and is_test must have one length, but have {sorted(lengths)}."
            )
        per_image = {name: getattr(self, name) for name in ("is_validation", "is_excluded", "candidates")}
        for field_name, marks in per_image.items():
            if marks is not None and len(marks) != len(self.images):
                raise ShapeError(
                    f"{self.name}: {field_name} must have one mark for each of {len(self.images)} images, but has"
                    f" {len(marks)}."
                )

    @property
    def is_training(self) -> NDArray[np.bool_]:
        """bool [N]: what a run may learn from, and may draw validation images from where the set has none."""
        others = [marks for marks in (self.is_validation, self.is_excluded) if marks is not None]
        left_out: NDArray[np.bool_] = np.logical_or.reduce([self.is_test, *others])
        return ~left_out

    @property
    def channels(self) -> int:
        return int(self.images.shape[1])

    @property
    def size(self) -> int:
        return int(self.images.shape[2])

    @property
    def classes(self) -> int:
        return len(self.class_names)

    @cached_property
    def content_hash(self) -> str:
        """Hash of pixels, labels, ids and the marks of test and validation images: two sets with the same hash train
        the same run.
        """
        if self.known is not None:
            return self.known.content_hash
        digest = hashlib.sha256(repr((self.images.shape, self.class_names, sorted(self.symmetries))).encode())
        # Sets without these marks keep the hash they always had.
        own = [marks for marks in (self.is_validation, self.is_excluded, self.candidates) if marks is not None]
        for array in (self.images, self.labels, self.ids, self.is_test, *own):
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()[:16]

    @property
    def pixel_hash(self) -> str:
        """The same for sets that differ in their labels alone, where that is known: what follows from the pixels, such
        as features, is kept under it.
        """
        return (self.known.pixel_hash if self.known is not None else "") or self.content_hash

    @cached_property
    def histogram(self) -> NDArray[np.int64]:
        """How often each value occurs in each channel of the training images: int64 [C, 256]. Test images, and the
        set's own validation images, are not looked at.
        """
        if self.known is not None and self.known.histogram is not None:
            return self.known.histogram
        return histogram(self.images, self.is_training)


class DataSource(ABC):
    """A data set by name: its settings, one plain sentence for the form, and `load`. A set that must be imported first
    is a CachedSource.
    """

    Params: ClassVar[type[DataParams]]
    title: ClassVar[str]
    summary: ClassVar[str]
    # Overlay on RunConfig's defaults, over the method's own; its `augment` holds settings by recipe.
    recommended: ClassVar[dict[str, Any]] = {}
    traits: ClassVar[ImageTraits] = ImageTraits()

    def __init__(self, params: DataParams) -> None:
        """Raises ConfigError for a path that may not be named here."""
        for name in params.paths():
            value = getattr(params, name)
            if value != type(params).model_fields[name].default:
                check_allowed(value, f"data.{name}")
        self.params = params

    @classmethod
    def traits_of(cls, settings: dict[str, Any]) -> ImageTraits:
        """What is true of its images under these settings, which need not be validated yet."""
        return cls.traits

    @abstractmethod
    def load(self) -> ImageSet:
        """Read or make the images. Raises FewLabError with one sentence if that cannot be done."""

    def ready(self) -> bool:
        """Whether `load` answers at once. False: it would first download or import, so call `prepare` and show its
        progress. Raises DataError.
        """
        return True

    def preview(self, thumbnails: int = 0) -> Preview | None:
        """What is understood of a person's files, without importing any; None where the set is made of no such files.
        thumbnails: of so many classes. Raises DataError.
        """
        return None

    def prepare(self, progress: Progress | None = None, cancelled: Cancelled | None = None) -> Report | None:
        """Download and import what `load` needs, if that was not done before; the report of the import, None for a set
        that needs none.

        progress(done, total) is called now and then; `cancelled` is asked as often. Raises ImportCancelled, and
        DataError with one sentence.
        """
        return None


def histogram(images: NDArray[np.uint8], is_training: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Counts of each value in each channel of the training images: int64 [C, 256]. Block by block: bincount needs 8
    bytes for each.
    """
    channels = images.shape[1]
    counts = np.zeros((channels, 256), dtype=np.int64)
    rows = max(1, (4 << 20) // max(1, int(np.prod(images.shape[1:]))))
    for start in range(0, len(images), rows):
        block = images[start : start + rows][is_training[start : start + rows]]
        for c in range(channels):
            counts[c] += np.bincount(block[:, c].reshape(-1), minlength=256)
    return counts


def stratified_test(labels: NDArray[np.int64], share: float) -> NDArray[np.bool_]:
    """A fixed test split of `share` of every class, for sets without an official one: bool [N]. The same for every
    seed. Unknown labels (-1) stay out.
    """
    rng = np.random.default_rng(20130215)
    chosen = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels[labels >= 0]):
        rows = rng.permutation(np.flatnonzero(labels == label))
        chosen[rows[: round(share * len(rows))]] = True
    return chosen
