"""What t-SNE and UMAP are told about neighbors is what they find out themselves when they are given the features."""

from __future__ import annotations

import warnings
from typing import Any, Literal

import numpy as np
import openTSNE.affinity
import pytest

from engine.analysis.projection import ProjectionRequest, project

FEATURES = np.random.default_rng(0).normal(1.0, 1.0, (150, 12)).astype(np.float32)
METRICS = ["cosine", "euclidean"]


@pytest.mark.parametrize("metric", METRICS)
def test_tsne_gets_the_affinities_that_it_would_find(
    metric: Literal["cosine", "euclidean"], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Any] = []

    class Recording(openTSNE.affinity.PerplexityBasedNN):  # type: ignore[misc]  # openTSNE has no types
        def __init__(self, *given: Any, **more: Any) -> None:
            super().__init__(*given, **more)
            made.append(self.P.toarray())

    usual = openTSNE.affinity.PerplexityBasedNN
    monkeypatch.setattr(openTSNE.affinity, "PerplexityBasedNN", Recording)
    project([FEATURES], ProjectionRequest(method="tsne", metric=metric, perplexity=10, seed=0))
    (found,) = made
    expected = usual(FEATURES.astype(np.float64), perplexity=10, method="exact", metric=metric).P.toarray()
    assert found.sum() == pytest.approx(1)
    assert ((found > 0) == (expected > 0)).all()
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("metric", METRICS)
def test_umap_builds_the_graph_that_it_would_build(
    metric: Literal["cosine", "euclidean"], monkeypatch: pytest.MonkeyPatch
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a variant that trains a network, which we do not use
        import umap
    made: list[Any] = []

    class Recording(umap.UMAP):  # type: ignore[misc]  # umap-learn has no types
        def fit_transform(self, *given: Any, **more: Any) -> Any:
            made.append(self)
            return super().fit_transform(*given, **more)

    usual = umap.UMAP
    monkeypatch.setattr(umap, "UMAP", Recording)
    project([FEATURES], ProjectionRequest(method="umap", metric=metric, neighbors=8, seed=0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own slower ways
        theirs = usual(n_neighbors=8, metric=metric, transform_mode="graph", random_state=0, n_jobs=1).fit_transform(
            FEATURES
        )
    graph = theirs.toarray()
    graph[graph < 1 / 500] = 0  # of 500 steps these edges would get less than one; UMAP drops them before it lays out
    np.testing.assert_allclose(made[0].graph_.toarray(), graph, atol=1e-4)
