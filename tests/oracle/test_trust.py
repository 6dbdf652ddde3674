"""Purity against a slow count, trustworthiness by hand, and of a sample against scikit-learn's of all points."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.manifold import trustworthiness as of_all

from engine.analysis.neighbors import nearest_neighbors
from engine.analysis.trust import (
    SAMPLE,
    knn_purity,
    purity_of_points,
    trust_of_points,
    trust_rows,
    trustworthiness,
)
from engine.errors import ShapeError


def test_purity_is_the_share_of_neighbors_with_the_same_known_label() -> None:
    indices = np.array([[1, 2], [0, 3], [3, 4], [2, 4], [2, 3]])
    labels = np.array([0, 0, 1, 1, -1])
    found = knn_purity(indices, labels, classes=3)
    # 0: neighbors 0, 1: 1/2. 1: 0, 1: 1/2. 2: 1 and unknown: 1/1. 3: the same. 4 is unknown itself.
    assert found.overall == pytest.approx((0.5 + 0.5 + 1 + 1) / 4)
    assert found.per_class[:2].tolist() == [0.5, 1.0]
    assert math.isnan(found.per_class[2])
    assert purity_of_points(indices, labels) == pytest.approx([0.5, 0.5, 1, 1, math.nan], nan_ok=True)
    assert purity_of_points(indices[[3, 4]], labels, np.array([3, 4])) == pytest.approx([1, math.nan], nan_ok=True)


def test_purity_equals_a_slow_count() -> None:
    rng = np.random.default_rng(0)
    features, labels = rng.normal(size=(300, 5)), rng.integers(-1, 4, 300)
    indices = nearest_neighbors(features, 9, "euclidean").indices
    shares: dict[int, list[float]] = {k: [] for k in range(4)}
    for point in range(300):
        theirs = [labels[j] for j in np.argsort(((features - features[point]) ** 2).sum(1))[1:10] if labels[j] >= 0]
        if labels[point] >= 0 and theirs:
            shares[int(labels[point])].append(sum(label == labels[point] for label in theirs) / len(theirs))
    found = knn_purity(indices, labels, 4)
    assert found.overall == pytest.approx(np.mean([share for group in shares.values() for share in group]))
    assert found.per_class == pytest.approx([np.mean(shares[k]) for k in range(4)])


def test_purity_of_some_rows_is_that_of_these_points_among_all() -> None:
    labels = np.array([0, 0, 1, 1])
    assert knn_purity(np.array([[1, 2]]), labels, 2, rows=np.array([0])).overall == 0.5


def test_without_labels_there_is_no_purity() -> None:
    found = knn_purity(np.array([[1], [0]]), np.array([-1, -1]), 2)
    assert math.isnan(found.overall)
    assert np.isnan(found.per_class).all()


def test_rows_of_neighbors_that_fit_no_points_are_refused() -> None:
    with pytest.raises(ShapeError, match="there are 1 rows for 2 points"):
        knn_purity(np.array([[1]]), np.array([0, 0]), 1)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_trustworthiness_of_five_points_is_the_papers_sum(metric: str) -> None:
    # Five points a to e, at 0, 1, 3, 7 and 15 of a line or, of any length, at so many degrees of a circle.
    at = np.array([0, 1, 3, 7, 15])
    circle = np.stack([np.cos(np.radians(at)), np.sin(np.radians(at))], 1) * np.array([[1], [5], [2], [9], [3]])
    features = circle if metric == "cosine" else at[:, None].astype(float)
    layout = np.array([[0, 0], [10, 0], [1, 0], [30, 0], [33, 0]], float)
    # Nearest in the layout: a's is c and c's is a, b's is c, d's is e, e's is d. In the full space these are the
    # second, second, second, fourth and first nearest, so beyond the one neighbor by 1 + 1 + 1 + 3 + 0.
    # 1 - 2 / (n k (2n - 3k - 1)) * 6 for n = 5, k = 1: 1 - 2 / 30 * 6.
    assert trustworthiness(features, layout, metric, 1) == pytest.approx(0.6)  # type: ignore[arg-type]
    assert trustworthiness(features, np.stack([at, 0 * at], 1), metric, 1) == 1.0  # type: ignore[arg-type]


def test_trust_of_each_of_five_points_is_its_term_of_the_papers_sum() -> None:
    at = np.array([0, 1, 3, 7, 15])
    layout = np.array([[0, 0], [10, 0], [1, 0], [30, 0], [33, 0]], float)
    # As above: too far by 1, 1, 1, 3 and 0; 1 - 2 / (k (2n - 3k - 1)) of each for n = 5, k = 1.
    found = trust_of_points(at[:, None].astype(float), layout, "euclidean", 1)
    assert found == pytest.approx([1 - 2 / 6, 1 - 2 / 6, 1 - 2 / 6, 0, 1])


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("count", [40, 1500])
def test_the_mean_over_points_is_the_trustworthiness_of_all(metric: str, count: int) -> None:
    features = np.random.default_rng(count).normal(size=(count, 6))
    layout, rows = features[:, :2] + 0.3 * features[:, 2:4], trust_rows(count)
    found = trust_of_points(features, layout, metric)  # type: ignore[arg-type]
    assert len(found) == len(rows)
    wanted = of_all(features[rows], layout[rows], n_neighbors=15, metric=metric)
    assert found.mean() == pytest.approx(wanted, abs=1e-12)
    assert 0 <= found.min() < found.max() <= 1


def test_trustworthiness_of_many_points_is_near_that_of_all() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(3000, 4))
    layout = features[:, :2]
    # As far as the sample reaches: 5 of 1,000 neighbors are 15 of 3,000.
    assert trustworthiness(features, layout, "euclidean", 5) == pytest.approx(
        of_all(features, layout, n_neighbors=15), abs=0.01
    )


def test_the_sample_is_the_same_on_every_machine_and_reaches_over_all_points() -> None:
    rows = trust_rows(3000)
    assert len(rows) == len(set(rows.tolist())) == SAMPLE
    assert rows[:6].tolist() == [2, 4, 11, 12, 13, 20]  # written down: another sample would make earlier figures others
    assert (np.diff(rows) > 0).all()
    assert np.histogram(rows, 3, (0, 3000))[0] == pytest.approx(SAMPLE / 3, abs=60)  # standard deviation 12
    assert trust_rows(SAMPLE).tolist() == list(range(SAMPLE))


def test_so_few_points_that_the_measure_is_not_defined_have_none() -> None:
    assert math.isnan(trustworthiness(np.eye(3), np.eye(3)[:, :2], "euclidean"))
    assert np.isnan(trust_of_points(np.eye(3), np.eye(3)[:, :2], "euclidean")).tolist() == [True] * 3
