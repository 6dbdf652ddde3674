"""The head that learns after every label, and what is said of it: against scikit-learn on all features, SciPy's
interval, cleanlab's label quality.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from cleanlab.count import compute_confident_joint
from cleanlab.rank import get_label_quality_scores
from numpy.typing import NDArray
from scipy.stats import binomtest
from sklearn.linear_model import LogisticRegression

from engine.analysis.labeling.label_head import STRENGTH, Head, fit_head, interval, outlook, unit_features
from engine.analysis.labeling.suggestions import suspects

Floats = NDArray[np.floating[Any]]


def blobs(
    count: int, classes: int, width: int = 64, apart: float = 2.0, seed: int = 0
) -> tuple[Floats, NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    labels = np.arange(count, dtype=np.int64) % classes
    centers = rng.normal(size=(classes, width)) * apart / width**0.5
    return unit_features(centers[labels] + rng.normal(size=(count, width)) / width**0.5 + 3), labels


@pytest.mark.parametrize("n", [6, 40, 150])
@pytest.mark.parametrize("classes", [2, 5])
def test_the_head_answers_as_logistic_regression_on_all_features(n: int, classes: int) -> None:
    features, labels = blobs(300, classes)
    head = fit_head(features, np.arange(n), labels[:n], classes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        oracle = LogisticRegression(C=STRENGTH, max_iter=5000, tol=1e-8).fit(
            features[:n].astype(np.float64), labels[:n]
        )
    np.testing.assert_allclose(head.probabilities, oracle.predict_proba(features.astype(np.float64)), atol=2e-3)
    np.testing.assert_allclose(head.probabilities.sum(1), 1, atol=1e-5)


def test_features_are_centered_and_of_length_one() -> None:
    raw = np.random.default_rng(1).normal(5, 2, (5000, 8)).astype(np.float32)
    raw[7] = raw.mean(0)
    expected = raw.astype(np.float64) - raw.astype(np.float64).mean(0)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    unit = unit_features(raw)
    np.testing.assert_allclose(np.delete(unit, 7, 0), np.delete(expected, 7, 0), atol=1e-5)
    assert np.isfinite(unit).all()


def test_a_class_without_a_label_is_never_answered() -> None:
    features, labels = blobs(60, 3)
    rows = np.flatnonzero(labels != 1)[:10]
    head = fit_head(features, rows, labels[rows], 3)
    assert (head.probabilities[:, 1] == 0).all()
    one = fit_head(features, np.array([4]), np.array([2]), 3)
    assert (one.predictions == 2).all()
    assert one.accuracy is None


def test_each_label_is_judged_by_a_head_that_has_not_seen_it() -> None:
    """Features that say nothing: whoever has seen a label knows it by heart, and nobody else is better than chance."""
    rng = np.random.default_rng(3)
    features = unit_features(rng.normal(size=(400, 600)))
    labels = rng.integers(0, 4, 400)
    head = fit_head(features, np.arange(400), labels, 4)
    assert (head.predictions == labels).all()
    assert head.accuracy is not None
    assert head.accuracy.accuracy < 0.35


def test_cross_validated_accuracy_is_near_the_accuracy_on_all_other_images() -> None:
    features, labels = blobs(3000, 6, apart=0.45)
    head = fit_head(features, np.arange(120), labels[:120], 6)
    assert head.accuracy is not None
    truth = float((head.predictions[120:] == labels[120:]).mean())
    assert 0.4 < truth < 0.95
    assert head.accuracy.low - 0.02 < truth < head.accuracy.high + 0.02


@pytest.mark.parametrize(("right", "total"), [(0, 1), (3, 10), (10, 10), (123, 456)])
def test_the_interval_is_wilsons(right: int, total: int) -> None:
    found, oracle = interval(right, total), binomtest(right, total).proportion_ci(0.95, method="wilson")
    np.testing.assert_allclose([found.low, found.high], [oracle.low, oracle.high], atol=1e-12)
    assert found.accuracy == right / total


@pytest.mark.parametrize("apart", [3.0, 0.5])
def test_suspects_are_what_confident_learning_finds(apart: float) -> None:
    features, labels = blobs(200, 4, apart=apart)
    wrong = np.array([10, 57, 133])
    given = labels.copy()
    given[wrong] = (given[wrong] + 1) % 4
    rows = np.random.default_rng(0).permutation(200)
    head = fit_head(features, rows, given[rows], 4)
    assert head.cross is not None
    _, indices = compute_confident_joint(
        head.labels, head.cross.astype(np.float64), calibrate=False, return_indices_of_off_diagonals=True
    )
    assert set(suspects(head)) == set(head.rows[indices])
    quality = get_label_quality_scores(head.labels, head.cross.astype(np.float64), method="normalized_margin")
    of_row = dict(zip(head.rows.tolist(), quality.tolist(), strict=True))
    assert np.all(np.diff([of_row[row] for row in suspects(head).tolist()]) >= -1e-6)
    if apart == 3.0:
        assert set(suspects(head)) == set(wrong)


def test_margins_are_the_difference_of_the_two_most_probable() -> None:
    shares = np.array([[0.7, 0.1, 0.2], [0.3, 0.3, 0.4], [1, 0, 0]], np.float32)
    head = Head(shares, np.arange(1), np.zeros(1, np.int64), None, None)
    np.testing.assert_allclose(head.margins, [0.5, 0.1, 1.0], atol=1e-6)
    np.testing.assert_array_equal(head.predictions, [0, 2, 0])


def test_what_ten_more_labels_bring_is_near_what_they_bring() -> None:
    features, labels = blobs(4000, 8, width=128, apart=0.5)
    errors = []
    for start in range(0, 400, 80):
        rows = np.arange(start, start + 50)
        said = outlook(features, fit_head(features, rows, labels[rows], 8), 8)
        more = fit_head(features, np.arange(start, start + 60), labels[start : start + 60], 8)
        assert said.more is not None
        errors.append(said.more - float((more.predictions[500:] == labels[500:]).mean()))
    assert abs(np.mean(errors)) < 0.1


def test_of_few_labels_nothing_is_foretold() -> None:
    features, labels = blobs(40, 2)
    assert outlook(features, fit_head(features, np.arange(6), labels[:6], 2), 2) == ([], [], None)
