"""What a method is given and what it reports: streams of views, batches, pseudo-labels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from torch import Tensor

Pool = Literal["labeled", "unlabeled", "all"]


@dataclass(frozen=True)
class View:
    """One augmented version of a batch, by the name of its recipe: [B, C, H, W], or [count, B, C, H, W] if a count is
    given.
    """

    recipe: str
    count: int | None = None


class Stream(NamedTuple):
    """A source of batches: which images, how many at once, which views of each."""

    pool: Pool
    batch: int
    views: dict[str, View]


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
