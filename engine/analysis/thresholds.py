"""What a threshold would keep: stored guesses against any threshold, after the run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Labels = NDArray[np.int64]

STARVED = 0.25
"""A class is called starved where it gets less than this share of the pseudo-labels that it would have if all classes
got as many.
"""


@dataclass(frozen=True)
class Guesses:
    """What a model believed of unlabeled images. ids, labels: int64 [N]; confidence: float [N] in [0, 1]; truth:
    int64 [N], -1 where unknown.
    """

    ids: Labels
    labels: Labels
    confidence: Floats
    truth: Labels

    @property
    def right(self) -> NDArray[np.bool_]:
        """bool [N]; False also where the truth is unknown."""
        right: NDArray[np.bool_] = (self.truth >= 0) & (self.labels == self.truth)
        return right

    @property
    def wrong(self) -> NDArray[np.bool_]:
        """bool [N]; False also where the truth is unknown."""
        wrong: NDArray[np.bool_] = (self.truth >= 0) & (self.labels != self.truth)
        return wrong


@dataclass(frozen=True)
class Kept:
    """What a threshold keeps of N guesses over K classes.

    mask_rate: kept / N. accuracy: share right of the kept ones whose truth is known, NaN if there are none. used: int64
    [K], kept guesses by the class they name. coverage: float [K], of the images that truly are of a class the share
    that is kept, whatever they are taken for; NaN where none is known.
    """

    count: int
    mask_rate: float
    accuracy: float
    used: NDArray[np.int64]
    coverage: Floats


def kept(guesses: Guesses, threshold: float, classes: int) -> Kept:
    """What remains at or above `threshold`, compared in double precision with the stored confidences."""
    above = guesses.confidence.astype(np.float64) >= threshold
    known = above & (guesses.truth >= 0)
    there = np.bincount(guesses.truth[guesses.truth >= 0], minlength=classes)
    reached = np.bincount(guesses.truth[known], minlength=classes)
    return Kept(
        int(above.sum()),
        float(above.mean()) if len(above) else 0.0,
        float(guesses.right[above].sum() / known.sum()) if known.any() else float("nan"),
        np.bincount(guesses.labels[above], minlength=classes),
        np.divide(reached, there, out=np.full(classes, np.nan), where=there > 0),
    )


def sweep(guesses: Guesses, thresholds: Floats) -> tuple[Floats, Floats]:
    """Mask rate and accuracy at each of `thresholds` [T], as in `kept`, from one sort."""
    order = np.argsort(guesses.confidence, kind="stable")
    first = np.searchsorted(guesses.confidence[order].astype(np.float64), thresholds)  # of those that are kept
    known, right = (np.concatenate([[0], np.cumsum(flags[order])]) for flags in (guesses.truth >= 0, guesses.right))
    left = known[-1] - known[first]
    accuracy = np.divide(right[-1] - right[first], left, out=np.full(len(thresholds), np.nan), where=left > 0)
    return (len(order) - first) / max(1, len(order)), accuracy


def starved(used: NDArray[np.int64]) -> NDArray[np.int64]:
    """Classes that got fewer than STARVED of an even share of the pseudo-labels, the hungriest first; none where there
    are no pseudo-labels at all.
    """
    even = used.sum() / max(1, len(used))
    hungry = np.flatnonzero(used < STARVED * even)
    return hungry[np.argsort(used[hungry], kind="stable")]
