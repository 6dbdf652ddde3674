"""What features are worth: nearest neighbors and linear classifiers on them, from few labels or all. numpy and
scikit-learn.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.cores import one_thread

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.int64]

GRID = (0.001, 0.01, 0.1, 1.0, 10.0)
"""Values of C, scikit-learn's inverse strength of regularization, to choose from on validation images."""
_STEPS = 300
WITHOUT_VALIDATION = 1.0
_WORTH_THREADS = 5_000_000  # numbers
_SQUARED_OVERFLOWS = 1e16  # numbers above it have squares whose sum float32 may not hold
_NEVER = -1e4  # bias of a class without a label: probability 0, still finite in half precision


class LinearProbe(NamedTuple):
    """Logits are weight @ (features - mean) / std + bias. mean, std: float32 [D]. weight: float32 [K, D]. bias: float32
    [K].
    """

    mean: Floats
    std: Floats
    weight: Floats
    bias: Floats

    def logits(self, features: Floats) -> Floats:
        """[N, D] to [N, K]."""
        result: Floats = (features - self.mean) / self.std @ self.weight.T + self.bias
        return result


def few_per_class(labels: Ints, rank: Ints, per_class: int) -> Ints:
    """Rows of the `per_class` images of lowest rank in each class, or of all where a class has fewer; unknown labels
    (-1) are passed over.

    labels, rank: [N]. The rank of an image does not depend on the others here, so draws from two overlapping sets
    agree where they can, and the images for 1 per class are among those for 5.
    """
    order = np.argsort(rank, kind="stable")
    chosen = [order[labels[order] == k][:per_class] for k in np.unique(labels[labels >= 0])]
    return np.sort(np.concatenate(chosen)) if chosen else order[:0]


def neighbor_votes(
    bank: Floats, labels: Ints, queries: Floats, classes: int, k: int, temperature: float = 0.07
) -> Floats:
    """Shares of each class in the votes of the k nearest by cosine, each weighted exp(cosine / temperature) (Wu et al.
    2018, arXiv:1805.01978).

    bank: [N, D] with labels [N] in 0..K-1; queries: [Q, D]. k is cut off at N. Returns [Q, K], rows sum to 1.
    """
    bank, queries = _normalized(bank), _normalized(queries)
    k = min(k, len(bank))
    votes = np.zeros((len(queries), classes))
    for start in range(0, len(queries), 1024):  # a whole table of 10,000 by 50,000 would fill two gigabytes
        cosines = queries[start : start + 1024] @ bank.T
        nearest = np.argpartition(-cosines, k - 1, axis=1)[:, :k] if k > 1 else cosines.argmax(1)[:, None]
        near = np.take_along_axis(cosines, nearest, 1)
        weights = np.exp((near - near.max(1, keepdims=True)) / temperature)
        rows = np.repeat(np.arange(start, start + len(cosines)), k)
        np.add.at(votes, (rows, labels[nearest].ravel()), weights.ravel())
    shares: Floats = votes / votes.sum(1, keepdims=True)
    return shares


def scale_of(features: Floats) -> tuple[Floats, Floats]:
    """Mean and standard deviation of each feature, float32 [D]; 1 for a feature that never changes."""
    std = features.std(0, dtype=np.float64)
    return features.mean(0, dtype=np.float64).astype(np.float32), np.where(std > 1e-6, std, 1).astype(np.float32)


def fit_linear(features: Floats, labels: Ints, classes: int, scale: tuple[Floats, Floats], c: float) -> LinearProbe:
    """Multinomial logistic regression on standardized features with an L2 penalty, solved by L-BFGS in at most _STEPS
    steps.

    features: [N, D], labels: [N] in 0..K-1, N at least 1. A class without a label gets probability 0.
    """
    from sklearn.linear_model import LogisticRegression

    mean, std = scale
    weight = np.zeros((classes, features.shape[1]), np.float32)
    bias = np.full(classes, _NEVER, np.float32)
    known = np.unique(labels)
    if len(known) == 1:
        bias[known] = 0
        return LinearProbe(mean, std, weight, bias)
    with warnings.catch_warnings(), one_thread() if features.size < _WORTH_THREADS else nullcontext():
        # So many steps are far on the way, and validation chooses among such fits; one image per class is not the
        # mistake it is taken for.
        warnings.simplefilter("ignore", UserWarning)
        fitted = LogisticRegression(C=c, max_iter=_STEPS).fit((features - mean) / std, labels)
    if len(known) == 2:  # one sigmoid: the softmax of 0 and its logit
        weight[known[1]], bias[known] = fitted.coef_[0], (0, fitted.intercept_[0])
    else:
        weight[known], bias[known] = fitted.coef_, fitted.intercept_
    return LinearProbe(mean, std, weight, bias)


def choose_c(
    features: Floats,
    labels: Ints,
    classes: int,
    scale: tuple[Floats, Floats],
    draws: Sequence[Ints],
    held: tuple[Floats, Ints],
) -> float:
    """The value of GRID that is right most often on held-out images, over all draws of rows; of equals the most
    regularized.

    held: features [V, D] and labels [V] of images that are not among the rows. WITHOUT_VALIDATION if there are none.
    """
    if not len(held[1]):
        return WITHOUT_VALIDATION
    scores = [
        sum(
            accuracy(fit_linear(features[rows], labels[rows], classes, scale, c).logits(held[0]), held[1])
            for rows in draws
        )
        for c in GRID
    ]
    return GRID[int(np.argmax(scores))]


def accuracy(scores: Floats, labels: Ints) -> float:
    """Share of rows whose highest score is that of their label. scores: [N, K]."""
    return float((scores.argmax(1) == labels).mean())


def _normalized(rows: Floats) -> Floats:
    largest = np.abs(rows).max(1, keepdims=True, initial=0)
    if (largest > _SQUARED_OVERFLOWS).any():  # a deep network whose batch norm has seen a few steps
        rows = np.where(largest > _SQUARED_OVERFLOWS, rows / np.maximum(largest, 1), rows)
    result: Floats = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return result
