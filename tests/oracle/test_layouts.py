"""What t-SNE and UMAP are told about neighbors is what they find out themselves when they are given the features."""

from __future__ import annotations

import warnings
from typing import Any, Literal

import numpy as np
import pytest
from sklearn.manifold import TSNE
from sklearn.manifold import _t_sne as inside
from threadpoolctl import threadpool_limits

from engine.analysis import projection
from engine.analysis.projection import ProjectionRequest, project

FEATURES = np.random.default_rng(0).normal(1.0, 1.0, (150, 12)).astype(np.float32)
METRICS = ["cosine", "euclidean"]


@pytest.mark.parametrize("metric", METRICS)
def test_tsne_gets_the_squared_distances_that_it_would_measure(
    metric: Literal["cosine", "euclidean"], monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Any] = []
    original = inside._joint_probabilities_nn
    monkeypatch.setattr(
        inside,
        "_joint_probabilities_nn",
        lambda distances, *more: (given.append(distances.toarray()), original(distances, *more))[1],
    )
    project([FEATURES], ProjectionRequest(method="tsne", metric=metric, perplexity=10, seed=0))
    with threadpool_limits(1, user_api="openmp"):  # on a busy machine several wait for each other
        TSNE(2, metric=metric, perplexity=10, max_iter=250).fit(FEATURES)
    ours, theirs = given
    assert ((ours > 0).sum(1) == 31).all()
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("metric", METRICS)
def test_umap_builds_the_graph_that_it_would_build(
    metric: Literal["cosine", "euclidean"], monkeypatch: pytest.MonkeyPatch
) -> None:
    UMAP = projection._imported()
    made: list[Any] = []
    monkeypatch.setattr(projection, "_imported", lambda: lambda **settings: made.append(UMAP(**settings)) or made[-1])
    project([FEATURES], ProjectionRequest(method="umap", metric=metric, neighbors=8, seed=0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own slower ways
        theirs = UMAP(n_neighbors=8, metric=metric, transform_mode="graph", random_state=0, n_jobs=1).fit_transform(
            FEATURES
        )
    graph = theirs.toarray()
    graph[graph < 1 / 500] = 0  # of 500 steps these edges would get less than one; UMAP drops them before it lays out
    np.testing.assert_allclose(made[0].graph_.toarray(), graph, atol=1e-4)
