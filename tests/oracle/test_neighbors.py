"""Nearest neighbors against scikit-learn's, which sorts all distances."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from engine.analysis import neighbors
from engine.analysis.neighbors import nearest_neighbors
from engine.errors import ShapeError

METRICS = ["cosine", "euclidean"]


def given(n: int = 500, d: int = 20, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(1.0, 2.0, (n, d)).astype(np.float32)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("block", [4_000_000, 3_700])  # at once, and in blocks of seven rows
def test_the_neighbors_and_distances_are_scikit_learns(
    metric: Literal["cosine", "euclidean"], block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbors, "_BLOCK", block)
    features = given()
    found = nearest_neighbors(features, 10, metric)
    distances, indices = (
        NearestNeighbors(n_neighbors=10, metric=metric, algorithm="brute").fit(features.astype(np.float64)).kneighbors()
    )
    assert found.indices.tolist() == indices.tolist()
    np.testing.assert_allclose(found.distances, distances, rtol=2e-5, atol=1e-6)
    assert found.distances.dtype == np.float32


@pytest.mark.parametrize("metric", METRICS)
def test_only_the_rows_asked_for_are_answered(metric: Literal["cosine", "euclidean"]) -> None:
    features, rows = given(), np.array([499, 3, 3])
    everyone, some = nearest_neighbors(features, 7, metric), nearest_neighbors(features, 7, metric, rows)
    assert some.indices.tolist() == everyone.indices[rows].tolist()
    np.testing.assert_allclose(some.distances, everyone.distances[rows], rtol=1e-5)


@pytest.mark.parametrize("metric", METRICS)
def test_twins_are_neighbors_at_distance_zero_and_nobody_is_its_own_neighbor(
    metric: Literal["cosine", "euclidean"],
) -> None:
    # Far from 0, where a product of float32 has no digits left for small distances.
    features = np.repeat(given(50, 4) + 1000, 2, axis=0)
    found = nearest_neighbors(features, 3, metric)
    own = np.arange(100)
    assert not (found.indices == own[:, None]).any()
    if metric == "euclidean":
        assert (found.indices[:, 0] == own ^ 1).all()
        assert (found.distances[:, 0] == 0).all()
    else:  # all of these have nearly one direction
        assert found.distances[:, 0].max() < 1e-6


def test_distances_of_near_twins_keep_their_digits() -> None:
    features = given(200, 100)
    features[100:] = features[:100] + 1e-4 * given(100, 100, seed=1)
    found = nearest_neighbors(features, 1, "euclidean")
    true = np.linalg.norm(features[100:].astype(np.float64) - features[:100], axis=1)
    np.testing.assert_allclose(found.distances[:100, 0], true, rtol=1e-5)


def test_a_row_of_zeros_is_at_cosine_distance_one_from_everything() -> None:
    features = given(10)
    features[4] = 0
    assert nearest_neighbors(features, 9).distances[4].tolist() == [1.0] * 9


def test_cosines_of_tiny_and_huge_vectors_are_those_of_their_directions() -> None:
    features = given(50)
    scaled = features * np.geomspace(1e-30, 1e30, 50, dtype=np.float32)[:, None]
    np.testing.assert_allclose(
        nearest_neighbors(scaled, 5).distances, nearest_neighbors(features, 5).distances, rtol=1e-4, atol=1e-6
    )


def test_more_neighbors_than_points_are_all_other_points() -> None:
    assert nearest_neighbors(given(4), 15).indices.shape == (4, 3)


def test_what_has_no_neighbors_is_refused() -> None:
    with pytest.raises(ShapeError) as refused:
        nearest_neighbors(given(1), 3)
    assert str(refused.value) == "Neighbors need features [N, D] of at least 2 points, but the shape is [1, 20]."
    features = given(10)
    features[3, 3] = np.nan
    with pytest.raises(ShapeError) as refused:
        nearest_neighbors(features, 3)
    assert str(refused.value) == "Neighbors need finite numbers, but some features are infinite or not a number."


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("kind", ["grid", "collapsed", "nearly collapsed", "far from zero", "an outlier"])
def test_exactly_the_nearest_are_found_and_of_equally_far_rows_the_first(
    kind: str, metric: Literal["cosine", "euclidean"]
) -> None:
    """Against all distances in float64, sorted by distance and row, where float32 or a coarse grid makes ties."""
    rng = np.random.default_rng(2)
    features = {
        "grid": rng.integers(0, 3, (400, 4)).astype(np.float32) + 1,
        "collapsed": np.ones((400, 5), np.float32),
        "nearly collapsed": (1 + 1e-6 * rng.normal(size=(400, 5))).astype(np.float32),
        "far from zero": (1e4 + rng.normal(size=(400, 8))).astype(np.float32),
        "an outlier": np.concatenate([rng.normal(size=(399, 6)), np.full((1, 6), 1e5)]).astype(np.float32),
    }[kind]
    exact = features.astype(np.float64)
    if metric == "cosine":
        lengths = np.sqrt(np.einsum("nd,nd->n", exact, exact))
        products = np.einsum("nd,md->nm", exact, exact)
        away = (1 - products / np.sqrt(np.multiply.outer(lengths**2, lengths**2))).clip(0, 2)
    else:
        away = np.sqrt(np.square(exact[:, None] - exact).sum(2))
    np.fill_diagonal(away, np.inf)
    found = nearest_neighbors(features, 9, metric)
    nearest = np.sort(away, axis=1)[:, :9]
    np.testing.assert_allclose(np.take_along_axis(away, found.indices, 1), nearest, atol=1e-15, rtol=1e-12)
    np.testing.assert_allclose(found.distances, nearest, rtol=1e-6, atol=1e-15)
    if metric == "euclidean":
        assert found.indices.tolist() == np.argsort(away, axis=1, kind="stable")[:, :9].tolist()
