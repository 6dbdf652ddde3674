"""ROC curves, one class against the rest."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]


class Roc(NamedTuple):
    """false_positives, true_positives: shares, [P] each, from (0, 0) to (1, 1). area: under the curve."""

    false_positives: Floats
    true_positives: Floats
    area: float


def roc_curves(probabilities: Floats, labels: NDArray[np.int64]) -> list[Roc | None]:
    """One curve per class from probabilities [N, K] and labels [N]; None for a class that has no image, or all of
    them.
    """
    from sklearn.metrics import auc, roc_curve

    curves: list[Roc | None] = []
    for k in range(probabilities.shape[1]):
        mine = labels == k
        if not 0 < mine.sum() < len(labels):
            curves.append(None)
            continue
        false, true, _ = roc_curve(mine, probabilities[:, k].astype(np.float64))
        curves.append(Roc(false, true, float(auc(false, true))))
    return curves
