"""What a method is given and what it reports: streams of views, batches, pseudo-labels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from torch import Tensor

Pool = Literal["labeled", "unlabeled", "unlabeled_only", "all"]
"""labeled: the images whose labels are known. unlabeled and all: every training image, the labeled ones included.
unlabeled_only: those whose labels are hidden.
"""


@dataclass(frozen=True)
class View:
    """One augmented version of a batch: [B, C, H, W], or [count, B, C, H, W] if a count is given.

    augment: the name under which the method's `views`, and a config's `augment`, hold its recipe and settings. size:
    pixels of a view that is not as large as the images, for recipes that can make one.
    """

    augment: str
    count: int | None = None
    size: int | None = None


class Stream(NamedTuple):
    """A source of batches: which images, how many at once, which views of each.

    epoch: a pass over this stream's pool is an epoch of the run. Of the method's streams at most one says so; by
    default it is the first one of unlabeled images, else the first.
    """

    pool: Pool
    batch: int
    views: dict[str, View]
    epoch: bool = False


class PseudoLabels(NamedTuple):
    """The method's predictions for unlabeled images in this step: histogram, gallery and image history feed on them.

    ids: int64 [U]. labels: int64 [U]. confidence: float [U] in [0, 1]. weight: float [U] in [0, 1], the share with
    which each counts. threshold: float [U], the threshold each row had to reach, or None.
    """

    ids: Tensor
    labels: Tensor
    confidence: Tensor
    weight: Tensor
    threshold: Tensor | None = None


@dataclass
class StreamBatch:
    """One stream's batch. Views are attributes: float [B, C, H, W] in [0, 1]. ids: int64 [B]. rows: int64 [B], dense in
    the pool, for tables.

    labels: int64 [B], only in the labeled stream: no hidden label ever reaches a method. candidates: bool [B, K], the
    labels each image may have, only where the data has partial labels, in the streams of the whole pool.
    """

    ids: Tensor
    rows: Tensor
    labels: Tensor | None
    views: dict[str, Tensor] = field(default_factory=dict)
    candidates: Tensor | None = None

    @property
    def known_candidates(self) -> Tensor:
        """The candidate sets of a stream that has them. Raises ValueError in any other."""
        if self.candidates is None:
            raise ValueError("this stream has no candidate sets")
        return self.candidates

    @property
    def known_labels(self) -> Tensor:
        """The labels of a labeled stream. Raises ValueError in any other, where they are hidden."""
        if self.labels is None:
            raise ValueError("the labels of this stream are hidden")
        return self.labels

    def __getattr__(self, name: str) -> Tensor:
        try:
            return self.__dict__["views"][name]  # type: ignore[no-any-return]  # __dict__ is untyped
        except KeyError:
            raise AttributeError(
                f"this stream has no view {name!r}, only {sorted(self.__dict__.get('views', ()))}"
            ) from None


Batch = dict[str, StreamBatch]


def shown_batch(batch: Batch) -> StreamBatch:
    """The stream that a person is shown: the unlabeled images if there are such, else the first stream."""
    return batch.get("unlabeled") or next(iter(batch.values()))
