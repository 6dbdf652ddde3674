"""The same images through all evaluations of a run: what each was taken for, how surely, and when that changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Biographies:
    """E evaluations of the same N images. steps: int64 [E], ascending. ids: int64 [N]. labels: int64 [E, N].
    confidence: float [E, N].
    """

    steps: NDArray[np.int64]
    ids: NDArray[np.int64]
    labels: NDArray[np.int64]
    confidence: Floats

    def flips(self) -> NDArray[np.int64]:
        """int64 [N]: how often each image was taken for another class than at the evaluation before."""
        changes: NDArray[np.int64] = (self.labels[1:] != self.labels[:-1]).sum(0)
        return changes

    def crossed(self, image: int, threshold: float) -> int | None:
        """The step from which the image at this place stayed at or above the threshold to the end; None if it ends
        below.
        """
        below = np.flatnonzero(self.confidence[:, image].astype(np.float64) < threshold)
        if len(below) == 0:
            return int(self.steps[0])
        return int(self.steps[below[-1] + 1]) if below[-1] + 1 < len(self.steps) else None

    def flipped_at(self, image: int) -> list[int]:
        """The steps at which the image at this place was taken for another class than before."""
        changed = np.flatnonzero(self.labels[1:, image] != self.labels[:-1, image])
        return [int(step) for step in self.steps[changed + 1]]


def biographies(steps: Sequence[int], ids: Sequence[NDArray[np.int64]], probabilities: Sequence[Floats]) -> Biographies:
    """From the snapshots of one run: ids [n] and probabilities [n, K] of each evaluation. Images that are not in all
    of them are left out.
    """
    common = ids[0]
    for other in ids[1:]:
        common = np.intersect1d(common, other)
    common = np.sort(common)
    labels, confidence = [], []
    for these, p in zip(ids, probabilities, strict=True):
        order = np.argsort(these, kind="stable")
        rows = p[order[np.searchsorted(these[order], common)]]
        labels.append(rows.argmax(1))
        confidence.append(rows.max(1))
    return Biographies(np.asarray(steps, np.int64), common, np.stack(labels), np.stack(confidence))
