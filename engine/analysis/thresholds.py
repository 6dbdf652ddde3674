"""What a threshold would select: stored predictions against any threshold, after the run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Labels = NDArray[np.int64]

UNDERREPRESENTED = 0.25
"""A class is called under-represented where it gets less than this share of the pseudo-labels that it would have if all
classes got as many.
"""


@dataclass(frozen=True)
class PseudoLabelSet:
    """What a model predicted for unlabeled images. ids, labels: int64 [N]; confidence: float [N] in [0, 1]; truth:
    int64 [N], -1 where unknown.
    """

    ids: Labels
    labels: Labels
    confidence: Floats
    truth: Labels

    @property
    def correct(self) -> NDArray[np.bool_]:
        """bool [N]; False also where the truth is unknown."""
        correct: NDArray[np.bool_] = (self.truth >= 0) & (self.labels == self.truth)
        return correct

    @property
    def incorrect(self) -> NDArray[np.bool_]:
        """bool [N]; False also where the truth is unknown."""
        incorrect: NDArray[np.bool_] = (self.truth >= 0) & (self.labels != self.truth)
        return incorrect


@dataclass(frozen=True)
class ThresholdResult:
    """What a threshold selects of N pseudo-labels over K classes.

    count: how many; incorrect: of them, known to be so. mask_rate: count / N. accuracy: share correct of the selected
    ones whose truth is known, NaN if there are none. per_class: int64 [K], selected pseudo-labels by predicted class.
    coverage: float [K], of the images that truly are of a class the share that is selected, whatever is predicted for
    them; NaN where none is known.
    """

    count: int
    incorrect: int
    mask_rate: float
    accuracy: float
    per_class: NDArray[np.int64]
    coverage: Floats


def is_above(predictions: PseudoLabelSet, threshold: float) -> NDArray[np.bool_]:
    """bool [N]: at or above `threshold`, compared in double precision with the stored confidences."""
    above: NDArray[np.bool_] = predictions.confidence.astype(np.float64) >= threshold
    return above


def apply_threshold(predictions: PseudoLabelSet, threshold: float, classes: int) -> ThresholdResult:
    """What `is_above` the threshold."""
    above = is_above(predictions, threshold)
    known = above & (predictions.truth >= 0)
    there = np.bincount(predictions.truth[predictions.truth >= 0], minlength=classes)
    reached = np.bincount(predictions.truth[known], minlength=classes)
    return ThresholdResult(
        int(above.sum()),
        int((predictions.incorrect & above).sum()),
        float(above.mean()) if len(above) else 0.0,
        float(predictions.correct[above].sum() / known.sum()) if known.any() else float("nan"),
        np.bincount(predictions.labels[above], minlength=classes),
        np.divide(reached, there, out=np.full(classes, np.nan), where=there > 0),
    )


def sweep(predictions: PseudoLabelSet, thresholds: Floats) -> tuple[Floats, Floats]:
    """Mask rate and accuracy at each of `thresholds` [T], as in `apply_threshold`, from one sort."""
    order = np.argsort(predictions.confidence, kind="stable")
    first = np.searchsorted(predictions.confidence[order].astype(np.float64), thresholds)  # of those at or above
    known, correct = (
        np.concatenate([[0], np.cumsum(flags[order])]) for flags in (predictions.truth >= 0, predictions.correct)
    )
    left = known[-1] - known[first]
    accuracy = np.divide(correct[-1] - correct[first], left, out=np.full(len(thresholds), np.nan), where=left > 0)
    return (len(order) - first) / max(1, len(order)), accuracy


def underrepresented(per_class: NDArray[np.int64]) -> NDArray[np.int64]:
    """Classes that got fewer than UNDERREPRESENTED of an even share of the pseudo-labels, those with the fewest first;
    none where there are no pseudo-labels at all.
    """
    even = per_class.sum() / max(1, len(per_class))
    rare = np.flatnonzero(per_class < UNDERREPRESENTED * even)
    return rare[np.argsort(per_class[rare], kind="stable")]
