"""A linear head that learns again after every label, and what can honestly be said of it from the labels alone."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.cores import one_thread

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.int64]

STRENGTH = 10.0
"""scikit-learn's C, for features of length 1."""
FOLDS = 5
_STEPS = 200
_ROWS = 4_096
_SEED = 20231
_WORTH_A_CURVE = 12  # labels


class Interval(NamedTuple):
    """right of total answers, and the 95 % interval of the accuracy behind them, as shares of 1."""

    right: int
    total: int
    low: float
    high: float

    @property
    def accuracy(self) -> float:
        return self.right / self.total


@dataclass(frozen=True)
class Head:
    """What the labels so far make of all images.

    probabilities: float32 [N, K]. weak: [K] whether a class has no label. accuracy: by cross-validation over the
    labels, None with fewer than two of each of two classes. cross: probabilities [n, K] of each labeled image by a head
    that has not seen its label, rows as in `rows`; None like accuracy.
    """

    probabilities: Floats
    rows: Ints
    labels: Ints
    accuracy: Interval | None
    cross: Floats | None

    @cached_property
    def predictions(self) -> Ints:
        """The most probable class of each image: int64 [N]."""
        predictions: Ints = self.probabilities.argmax(1)
        return predictions

    @cached_property
    def margins(self) -> Floats:
        """How far the most probable class is ahead of the next: [N]."""
        if self.probabilities.shape[1] < 2:
            return np.ones(len(self.probabilities), np.float32)
        two = -np.partition(-self.probabilities, 1, axis=1)[:, :2]
        margins: Floats = two[:, 0] - two[:, 1]
        return margins


def unit_features(features: Floats) -> Floats:
    """Features [N, D] less their mean, each of length 1: float32."""
    unit = np.array(features, np.float32)
    unit -= unit.mean(0, dtype=np.float64).astype(np.float32)
    # In place, and some rows at a time: of fifty thousand photos each copy would be a quarter of a gigabyte.
    for start in range(0, len(unit), _ROWS):
        block = unit[start : start + _ROWS]
        block /= np.maximum(np.linalg.norm(block, axis=1, keepdims=True), 1e-12)
    return unit


def fit_head(features: Floats, rows: Ints, labels: Ints, classes: int) -> Head:
    """Logistic regression on the labeled rows, and its cross-validation.

    features: [N, D] as `unit_features` makes them. rows: [n] distinct, labels: [n] in 0..K-1, at least one.
    """
    rows, labels = np.asarray(rows, np.int64), np.asarray(labels, np.int64)
    with one_thread():
        inside, basis = _in_their_span(features[rows])
        linear = _fit(inside, labels, classes)
        weight = linear.weight if basis is None else linear.weight @ basis.T
        probabilities = _softmax(features @ weight.T.astype(np.float32) + linear.bias)
        cross = _cross_validated(inside, labels, classes)
    accuracy = None if cross is None else interval(int((cross.argmax(1) == labels).sum()), len(labels))
    return Head(probabilities, rows, labels, accuracy, cross)


def interval(right: int, total: int) -> Interval:
    """Wilson's score interval (Wilson 1927), which holds for few answers and for all or none right. total: at least
    1.
    """
    z = 1.959963984540054
    share = right / total
    middle = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * (share * (1 - share) / total + z * z / (4 * total * total)) ** 0.5
    return Interval(right, total, max(0.0, middle - half), min(1.0, middle + half))


class Outlook(NamedTuple):
    """Accuracy after fewer labels, measured, and what ten more would bring, extrapolated.

    labels, accuracies: of the points, rising in labels. more: accuracy with ten labels more; None where the points say
    nothing.
    """

    labels: list[int]
    accuracies: list[float]
    more: float | None


def outlook(features: Floats, head: Head, classes: int) -> Outlook:
    """Cross-validated accuracy with a half, three quarters and all of the labels, and the line through them over
    1 / labels, read ten labels further on: an error that falls as 1 / n is what such curves look like.
    """
    if head.accuracy is None or head.cross is None or len(head.labels) < _WORTH_A_CURVE:
        return Outlook([], [], None)
    folds = _folds(head.labels)
    rng = np.random.default_rng(_SEED)
    counts, accuracies = [], []
    with one_thread():
        inside, _ = _in_their_span(features[head.rows])
        for share in (0.5, 0.75):
            right, used = 0, 0
            for k in range(FOLDS):
                train, test = np.flatnonzero(folds != k), np.flatnonzero(folds == k)
                train = rng.permutation(train)[: max(2, round(share * len(train)))]
                answers = _answers(inside[train], head.labels[train], inside[test], classes)
                right += int((answers.argmax(1) == head.labels[test]).sum())
                used += len(train)
            counts.append(round(used / FOLDS))
            accuracies.append(right / len(head.labels))
    counts.append(round(len(head.labels) * (1 - 1 / FOLDS)))
    accuracies.append(head.accuracy.accuracy)
    slope, level = np.polyfit(1 / np.array(counts), np.array(accuracies), 1)
    further = float(level + slope / (counts[-1] + 10))
    return Outlook(counts, accuracies, float(np.clip(further, accuracies[-1], 1)) if slope < 0 else accuracies[-1])


def _cross_validated(features: Floats, labels: Ints, classes: int) -> Floats | None:
    """[n, K]: each row answered by a head that has not seen it."""
    counts = np.bincount(labels)
    if (counts >= 2).sum() < 2:
        return None
    folds = _folds(labels)
    answers = np.zeros((len(labels), classes), np.float32)
    for k in range(FOLDS):
        test = folds == k
        if test.any():
            answers[test] = _answers(features[~test], labels[~test], features[test], classes)
    return answers


def _folds(labels: Ints) -> Ints:
    """Which of FOLDS each row is left out in: each class is dealt out one by one, so that every fold has its share."""
    rng = np.random.default_rng(_SEED)
    folds = np.zeros(len(labels), np.int64)
    turn = 0
    for k in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == k))
        folds[rows] = (turn + np.arange(len(rows))) % FOLDS
        turn += len(rows)
    return folds


class _Linear(NamedTuple):
    """weight: float64 [K, d], bias: float64 [K]; a class without a label has -inf."""

    weight: Floats
    bias: Floats


def _in_their_span(known: Floats) -> tuple[Floats, Floats | None]:
    """The rows in coordinates of their own span, float64 [n, min(n, D)], and its basis [D, n], None where it is the
    whole space. The weights of a penalized fit lie in that span, so no answer changes, and there are n numbers to find
    for each class instead of D.
    """
    if len(known) >= known.shape[1]:
        return known.astype(np.float64), None
    basis, coordinates = np.linalg.qr(known.T.astype(np.float64))
    return coordinates.T, basis


def _fit(known: Floats, labels: Ints, classes: int) -> _Linear:
    from sklearn.linear_model import LogisticRegression

    present = np.unique(labels)
    weight, bias = np.zeros((classes, known.shape[1])), np.full(classes, -np.inf)
    bias[present] = 0
    if len(present) > 1:
        with warnings.catch_warnings():
            # As many steps as help; one label a class is no mistake here.
            warnings.simplefilter("ignore", UserWarning)
            fitted = LogisticRegression(C=STRENGTH, max_iter=_STEPS).fit(known, labels)
        answered = present[1:] if len(present) == 2 else present  # of two classes, one sigmoid: the softmax of 0 and it
        weight[answered], bias[answered] = fitted.coef_, fitted.intercept_
    return _Linear(weight, bias)


def _answers(known: Floats, labels: Ints, asked: Floats, classes: int) -> Floats:
    """Probabilities [Q, K] of `asked` by a head fitted to the `known`; a class without a label gets 0."""
    linear = _fit(known, labels, classes)
    return _softmax(asked @ linear.weight.T + linear.bias)


def _softmax(logits: Floats) -> Floats:
    shares = np.exp(logits - logits.max(1, keepdims=True))
    probabilities: Floats = (shares / shares.sum(1, keepdims=True)).astype(np.float32)
    return probabilities
