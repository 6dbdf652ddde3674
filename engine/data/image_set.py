"""ImageSet: pictures in memory with labels and stable sample ids, and the base class of what loads one."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from engine.config import DataParams
from engine.errors import ShapeError


@dataclass(frozen=True)
class ImageSet:
    """Pictures of one size.

    images: uint8 [N, C, H, W], C 1 or 3. labels: int64 [N], 0..K-1, -1 where unknown. ids: int64 [N], unique and stable: the same
    picture has the same id in every run. is_test: bool [N], the fixed test pictures. symmetries: what leaves the meaning alone ({"flip"}).
    Raises ShapeError if the arrays disagree in N.
    """

    name: str
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    ids: NDArray[np.int64]
    is_test: NDArray[np.bool_]
    class_names: tuple[str, ...]
    symmetries: frozenset[str] = field(default_factory=frozenset)

    def __post_init__(self) -> None:
        lengths = {len(self.images), len(self.labels), len(self.ids), len(self.is_test)}
        if len(lengths) != 1:
            raise ShapeError(f"{self.name}: images, labels, ids and is_test must have one length, but have {sorted(lengths)}.")

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
        """Hash of pixels, labels, ids and test marks: two sets with the same hash train the same run."""
        digest = hashlib.sha256(repr((self.images.shape, self.class_names, sorted(self.symmetries))).encode())
        for array in (self.images, self.labels, self.ids, self.is_test):
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()[:16]


class DataSource(ABC):
    """A data set by name: its settings, one plain sentence for the form, and `load`."""

    Params: ClassVar[type[DataParams]]
    title: ClassVar[str]
    summary: ClassVar[str]
    recommended: ClassVar[dict[str, Any]] = {}  # overlay on RunConfig's defaults, over the method's own

    def __init__(self, params: DataParams) -> None:
        self.params = params

    @abstractmethod
    def load(self) -> ImageSet:
        """Read or make the pictures. Raises FewLabError with one sentence if that cannot be done."""


def stratified_test(labels: NDArray[np.int64], share: float) -> NDArray[np.bool_]:
    """A fixed test split of `share` of every class, for sets without an official one: bool [N]. The same for every seed."""
    rng = np.random.default_rng(20130215)
    chosen = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == label))
        chosen[rows[: round(share * len(rows))]] = True
    return chosen
