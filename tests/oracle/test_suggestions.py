"""What to label next, against scikit-activeml on the same features."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from skactiveml.pool import MaxHerding, TypiClust, UncertaintySampling
from sklearn.cluster import KMeans

from engine.analysis.labeling.label_head import fit_head, unit_features
from engine.analysis.labeling.suggestions import _SEED, WHY, Pool, Strategy, suggest

Ints = NDArray[np.int64]


@pytest.fixture(scope="module")
def pool() -> Pool:
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(7, 32)) * 1.5
    return Pool(unit_features(centers[rng.integers(0, 7, 400)] + rng.normal(size=(400, 32))))


def rows_of(pool: Pool, labeled: Ints, count: int, strategy: Strategy) -> list[int]:
    open_rows = np.setdiff1d(np.arange(len(pool.features)), labeled)
    head = fit_head(pool.features, labeled, np.arange(len(labeled)) % 3, 3) if len(labeled) else None
    found = suggest(pool, head, labeled, open_rows, count, strategy, classes=3)
    assert all(one.strategy in WHY for one in found)
    return [one.row for one in found]


def as_labels(pool: Pool, labeled: Ints) -> NDArray[np.float64]:
    labels = np.full(len(pool.features), np.nan)
    labels[labeled] = np.arange(len(labeled)) % 3
    return labels


@pytest.mark.parametrize("labeled", [[], [3], [5, 100, 200, 301]])
def test_spread_is_max_herding(pool: Pool, labeled: list[int]) -> None:
    oracle = MaxHerding(metric_dict={"gamma": 0.5}, random_state=0)
    expected = oracle.query(pool.features, as_labels(pool, np.array(labeled, int)), batch_size=12)
    assert rows_of(pool, np.array(labeled, int), 12, "spread") == expected.tolist()


@pytest.mark.parametrize("labeled", [[], [5, 100, 200, 301]])
def test_typical_is_typiclust(pool: Pool, labeled: list[int]) -> None:
    oracle = TypiClust(
        random_state=0, cluster_algo=KMeans, cluster_algo_dict={"random_state": _SEED, "n_init": 1}, k=20
    )
    expected = oracle.query(pool.features, as_labels(pool, np.array(labeled, int)), batch_size=6)
    # Groups of one size come in any order.
    assert set(rows_of(pool, np.array(labeled, int), 6, "typical")) == set(expected.tolist())


def test_margin_is_margin_sampling(pool: Pool) -> None:
    from skactiveml.classifier import SklearnClassifier
    from sklearn.linear_model import LogisticRegression

    labeled = np.arange(0, 60, 2)
    oracle = UncertaintySampling(method="margin_sampling", random_state=0)
    model = SklearnClassifier(LogisticRegression(C=10, max_iter=5000, tol=1e-8), classes=[0, 1, 2])
    expected = oracle.query(
        pool.features.astype(np.float64), as_labels(pool, labeled), clf=model, fit_clf=True, batch_size=5
    )
    assert set(rows_of(pool, labeled, 8, "margin")) >= set(expected[:4].tolist())


def test_rare_is_what_looks_most_like_the_class_with_the_fewest_labels(pool: Pool) -> None:
    labeled, labels = np.arange(20), np.array([0] * 9 + [1] * 9 + [2] * 2)
    head = fit_head(pool.features, labeled, labels, 3)
    found = suggest(pool, head, labeled, np.arange(20, 400), 5, "rare", 3)
    order = 20 + np.argsort(-head.probabilities[20:, 2], kind="stable")
    assert [one.row for one in found] == order[:5].tolist()


def test_automatic_spreads_first_then_asks_where_it_is_unsure_and_for_the_rarest_class(pool: Pool) -> None:
    open_rows = np.arange(30, 400)
    first = suggest(pool, None, np.arange(0), open_rows, 4, classes=3)
    assert {one.strategy for one in first} == {"spread"}
    few = fit_head(pool.features, np.arange(29), np.arange(29) % 3, 3)
    assert {one.strategy for one in suggest(pool, few, np.arange(29), open_rows, 4, classes=3)} == {"spread"}
    even = fit_head(pool.features, np.arange(30), np.arange(30) % 3, 3)
    assert {one.strategy for one in suggest(pool, even, np.arange(30), open_rows, 9, classes=3)} == {"margin"}
    uneven = fit_head(pool.features, np.arange(30), np.array([0] * 15 + [1] * 13 + [2] * 2), 3)
    mixed = suggest(pool, uneven, np.arange(30), open_rows, 9, classes=3)
    assert [one.strategy for one in mixed].count("rare") == 3
    assert len({one.row for one in mixed}) == 9


@pytest.mark.parametrize("strategy", ["auto", "spread", "typical", "margin", "rare", "random"])
@pytest.mark.parametrize("count", [1, 7, 1000])
def test_only_open_images_are_proposed_each_once(pool: Pool, strategy: Strategy, count: int) -> None:
    labeled, open_rows = np.arange(0, 30), np.arange(100, 120)
    head = fit_head(pool.features, labeled, labeled % 3, 3)
    found = [one.row for one in suggest(pool, head, labeled, open_rows, count, strategy, 3)]
    assert len(set(found)) == len(found) == min(count, 20)
    assert set(found) <= set(open_rows.tolist())


def test_of_more_images_than_are_weighed_some_of_all_kinds_are_proposed() -> None:
    rng = np.random.default_rng(2)
    features = unit_features(rng.normal(size=(9000, 16)) + 2 * (np.arange(9000) % 3 == 0)[:, None])
    large = Pool(features)
    assert large.kernel.shape == (4000, 4000)
    found = [one.row for one in suggest(large, None, np.arange(0), np.arange(9000), 10)]
    assert {row % 3 == 0 for row in found} == {True, False}
