"""Candidate sets and the weights on them -> how far the true labels have been found. Rows with one candidate are left
out: nothing is open there.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

SURE = 0.9  # a weight above this no longer moves: the candidate has won


def ambiguity_left(weights: npt.NDArray[np.float32], candidates: npt.NDArray[np.bool_]) -> float | None:
    """Mean entropy of the weights, each row's divided by the logarithm of its number of candidates: 1 undecided, 0
    decided.

    weights: [n, K], each row a distribution over its candidates. candidates: bool [n, K]. None if no row has two
    candidates.
    """
    sizes = candidates.sum(1)
    rows = sizes > 1
    if not rows.any():
        return None
    w = weights[rows].astype(np.float64)
    entropy = -(w * np.log(np.where(w > 0, w, 1))).sum(1)
    return float((entropy / np.log(sizes[rows])).mean())


def identified(
    weights: npt.NDArray[np.float32], candidates: npt.NDArray[np.bool_], truth: npt.NDArray[np.int64]
) -> float | None:
    """Share of rows whose heaviest candidate is the true label. truth: int64 [n], which no method sees; -1 where nobody
    knows it, which is left out. None if no other row has two candidates.
    """
    rows = (candidates.sum(1) > 1) & (truth >= 0)
    return float((weights[rows].argmax(1) == truth[rows]).mean()) if rows.any() else None


def survivors(
    weights: npt.NDArray[np.float32], candidates: npt.NDArray[np.bool_], truth: npt.NDArray[np.int64]
) -> float | None:
    """Share of rows in which a wrong candidate has won: its weight is above 0.9. truth: -1 where nobody knows it, which
    is left out. None if no other row has two candidates.
    """
    rows = (candidates.sum(1) > 1) & (truth >= 0)
    w = weights[rows]
    return float(((w.argmax(1) != truth[rows]) & (w.max(1) > SURE)).mean()) if rows.any() else None
