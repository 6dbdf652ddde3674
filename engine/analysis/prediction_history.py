"""The same images through all evaluations of a run: what was predicted, how confidently, and when that changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.id_positions import positions_of

Ids = NDArray[np.int64]
Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class PredictionHistory:
    """E evaluations of the same N images. steps: int64 [E], ascending. ids: int64 [N], ascending. labels: int64 [E, N],
    the predicted classes. confidence: float [E, N].
    """

    steps: Ids
    ids: Ids
    labels: Ids
    confidence: Floats

    def changes(self) -> Ids:
        """int64 [N]: at how many evaluations the prediction differs from that of the evaluation before."""
        changes: Ids = (self.labels[1:] != self.labels[:-1]).sum(0)
        return changes


def prediction_history(steps: Sequence[int], ids: Sequence[Ids], probabilities: Sequence[Floats]) -> PredictionHistory:
    """From the snapshots of one run: ids [n] and probabilities [n, K] of each evaluation. Images that are not in all
    of them are left out; no evaluation at all is a history of no images.
    """
    if not len(steps):
        none = np.zeros(0, np.int64)
        return PredictionHistory(none, none, np.zeros((0, 0), np.int64), np.zeros((0, 0)))
    common = np.unique(ids[0])
    for other in ids[1:]:
        common = np.intersect1d(common, other)
    rows = [table[positions_of(common, own)] for own, table in zip(ids, probabilities, strict=True)]
    return PredictionHistory(
        np.asarray(steps, np.int64), common, np.stack([r.argmax(1) for r in rows]), np.stack([r.max(1) for r in rows])
    )


def changed_at(steps: Ids, labels: Ids) -> list[int]:
    """The steps at which an image's prediction differs from the one before. steps, labels: int64 [E]."""
    return [int(step) for step in steps[np.flatnonzero(labels[1:] != labels[:-1]) + 1]]


def first_above(steps: Ids, confidence: Floats, threshold: float) -> int | None:
    """The first step from which the confidence stayed at or above `threshold` to the end; None if it ends below.

    steps: int64 [E]; confidence: float [E], compared in double precision.
    """
    below = np.flatnonzero(confidence.astype(np.float64) < threshold)
    first = below[-1] + 1 if len(below) else 0
    return int(steps[first]) if first < len(steps) else None
