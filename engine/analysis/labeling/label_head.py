"""A linear head that learns again after every label, and what can honestly be said of it from the labels alone."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.int64]

STRENGTH = 10.0
"""scikit-learn's C, for features of length 1."""
FOLDS = 5
_STEPS = 200
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


class Head(NamedTuple):
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

    @property
    def guesses(self) -> Ints:
        """The most probable class of each image: int64 [N]."""
        guesses: Ints = self.probabilities.argmax(1)
        return guesses

    @property
    def margins(self) -> Floats:
        """How far the most probable class is ahead of the next: [N]."""
        if self.probabilities.shape[1] < 2:
            return np.ones(len(self.probabilities), np.float32)
        two = -np.partition(-self.probabilities, 1, axis=1)[:, :2]
        margins: Floats = two[:, 0] - two[:, 1]
        return margins


def unit_features(features: Floats) -> Floats:
    """Features [N, D] less their mean, each of length 1: float32."""
    centered = np.asarray(features, np.float32) - features.mean(0, dtype=np.float64).astype(np.float32)
    length = np.linalg.norm(centered, axis=1, keepdims=True)
    unit: Floats = centered / np.maximum(length, 1e-12)
    return unit


def fit_head(features: Floats, rows: Ints, labels: Ints, classes: int) -> Head:
    """Logistic regression on the labeled rows, and its cross-validation.

    features: [N, D] as `unit_features` makes them. rows: [n] distinct, labels: [n] in 0..K-1, at least one.
    """
    rows, labels = np.asarray(rows, np.int64), np.asarray(labels, np.int64)
    # With a handful of labels the weights lie in the span of the labeled features: n numbers each instead of D.
    probabilities = _answers(features[rows], labels, features, classes)
    cross = _cross_validated(features[rows], labels, classes)
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
    for share in (0.5, 0.75):
        right = 0
        used = []
        for k in range(FOLDS):
            train, test = np.flatnonzero(folds != k), np.flatnonzero(folds == k)
            train = rng.permutation(train)[: max(2, round(share * len(train)))]
            used.append(len(train))
            answers = _answers(features[head.rows[train]], head.labels[train], features[head.rows[test]], classes)
            right += int((answers.argmax(1) == head.labels[test]).sum())
        counts.append(round(sum(used) / FOLDS))
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


def _answers(known: Floats, labels: Ints, asked: Floats, classes: int) -> Floats:
    """Probabilities [Q, K] of `asked` by a head fitted to the `known`; a class without a label gets 0."""
    from sklearn.linear_model import LogisticRegression

    answers = np.zeros((len(asked), classes), np.float32)
    present = np.unique(labels)
    if len(present) == 1:
        answers[:, present[0]] = 1
        return answers
    # Products with fewer features where there are fewer labels: any minimum lies in the span of the labeled rows, so
    # rotating them into that span changes no answer.
    basis = np.linalg.qr(known.T.astype(np.float64))[0] if len(known) < known.shape[1] else None
    inside = known.astype(np.float64) if basis is None else known @ basis
    with warnings.catch_warnings():
        # As many steps as help; one label a class is no mistake here.
        warnings.simplefilter("ignore", UserWarning)
        fitted = LogisticRegression(C=STRENGTH, max_iter=_STEPS).fit(inside, labels)
    weight = fitted.coef_ if basis is None else fitted.coef_ @ basis.T
    logits = asked @ weight.T.astype(np.float32) + fitted.intercept_.astype(np.float32)
    if len(present) == 2:
        logits = np.concatenate([np.zeros_like(logits), logits], axis=1)
    logits -= logits.max(1, keepdims=True)
    shares = np.exp(logits)
    answers[:, present] = shares / shares.sum(1, keepdims=True)
    return answers
