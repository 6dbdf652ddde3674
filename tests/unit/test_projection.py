"""Projections: what they promise about directions, repetition, time, and inputs that have no image."""

from __future__ import annotations

import importlib.util
import os

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from engine.analysis.projection import ProjectionRequest, aligned, project
from engine.errors import ConfigError, ProjectionError

Features = NDArray[np.float32]


def groups(n: int = 120, d: int = 10, apart: float = 3.0, seed: int = 0) -> Features:
    """Four groups of points; the same chance for every `apart`, so that frames differ only in how far the groups are
    from each other.
    """
    rng = np.random.default_rng(seed)
    centers, noise = rng.normal(size=(4, d)), rng.normal(size=(n, d))
    return (apart * centers[np.arange(n) % 4] + noise).astype(np.float32)


def movement(frames: Features) -> float:
    """Mean way of a point from one frame to the next, in units of the layout's spread."""
    return float(np.linalg.norm(np.diff(frames, axis=0), axis=2).mean() / frames.std())


def request(method: str, **more: object) -> ProjectionRequest:
    return ProjectionRequest.parse({"method": method, "seed": 0, **more})


@pytest.mark.parametrize("dimensions", [2, 3])
def test_pca_is_scikit_learns_up_to_the_sign_of_a_direction(dimensions: int) -> None:
    features = groups()
    found = project([features], request("pca", metric="euclidean", dimensions=dimensions))
    theirs = PCA(dimensions, svd_solver="full").fit_transform(features.astype(np.float64))
    assert found.shape == (1, 120, dimensions)
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.abs(found[0]), np.abs(theirs), atol=1e-4)


def test_pca_by_cosine_is_that_of_directions_alone() -> None:
    features = groups()
    lengths = np.random.default_rng(1).uniform(0.1, 10, (len(features), 1))
    np.testing.assert_allclose(
        project([features * lengths], request("pca")), project([features], request("pca")), atol=1e-5
    )


def test_the_signs_of_pca_do_not_depend_on_the_order_of_points() -> None:
    features = groups()
    order = np.random.default_rng(0).permutation(len(features))
    np.testing.assert_allclose(
        project([features[order]], request("pca"))[0], project([features], request("pca"))[0][order], atol=1e-4
    )


def test_pca_through_time_shows_all_frames_along_the_directions_of_the_last() -> None:
    first, last = groups(apart=0.5), groups()
    found = project([first, last], request("pca", metric="euclidean"))
    fitted = PCA(2, svd_solver="full").fit(last.astype(np.float64))
    np.testing.assert_allclose(np.abs(found[0]), np.abs(fitted.transform(first)), atol=1e-4)
    np.testing.assert_array_equal(found[1], project([last], request("pca", metric="euclidean"))[0])


def test_features_of_one_dimension_lie_on_a_line() -> None:
    found = project([np.arange(6, dtype=np.float32)[:, None]], request("pca", metric="euclidean", dimensions=3))
    np.testing.assert_allclose(np.diff(found[0, :, 0]), 1, atol=1e-6)
    assert (found[0, :, 1:] == 0).all()


def test_aligning_undoes_a_turn_and_a_mirror_but_no_stretch() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(50, 2)).astype(np.float32)
    points -= points.mean(0)
    turn = np.array([[0.6, 0.8], [0.8, -0.6]], np.float32)  # mirrored too
    np.testing.assert_allclose(aligned(3 * points @ turn, points), 3 * points, atol=1e-5)


def test_a_seeded_tsne_repeats_itself_and_its_points_travel() -> None:
    frames = [groups(apart=apart) for apart in (1.5, 2.0, 2.5, 3.0)]
    found = project(frames, request("tsne", perplexity=10))
    alone = np.concatenate([project([frame], request("tsne", perplexity=10)) for frame in frames])
    np.testing.assert_array_equal(found[-1], alone[-1])  # the last frame does not depend on how many were asked for
    assert movement(found) < 0.5 * movement(alone)
    np.testing.assert_allclose(found.mean(1), 0, atol=1e-3)


@pytest.mark.slow
def test_a_seeded_umap_repeats_itself_bit_for_bit_and_its_points_travel() -> None:
    frames = [groups(apart=apart) for apart in (1.5, 2.0, 2.5, 3.0)]
    found, again = project(frames, request("umap")), project(frames, request("umap"))
    np.testing.assert_array_equal(found, again)
    alone = np.concatenate([project([frame], request("umap")) for frame in frames])
    np.testing.assert_array_equal(found[-1], alone[-1])
    assert movement(found) < 0.5 * movement(alone)
    assert (project([frames[-1]], request("umap", seed=1)) != found[-1]).any()
    # The settings that only UMAP has do something.
    assert (project([frames[-1]], request("umap", min_dist=0.9)) != found[-1]).any()
    assert (project([frames[-1]], request("umap", neighbors=5)) != found[-1]).any()
    twins = groups()
    twins[:90] = twins[0]
    assert np.isfinite(project([twins, twins], request("umap"))).all()
    # Fewer points than neighbors, in three dimensions, and an earlier frame in which all points are the same.
    few = project([np.ones((6, 4), np.float32), groups(6, 4)], request("umap", neighbors=50, dimensions=3))
    assert few.shape == (2, 6, 3)
    assert (few[0] == 0).all()
    assert np.isfinite(few).all()
    told: list[str] = []
    project(frames[-2:], request("umap"), lambda share, words: told.append(words))
    assert "Laying out with UMAP, evaluation 1 of 2" in told
    assert "Laying out with UMAP, 250 of umap-learn's usual 500 rounds, evaluation 2 of 2" in told


@pytest.mark.slow
def test_a_seeded_pacmap_repeats_itself_bit_for_bit_and_its_points_travel() -> None:
    if importlib.util.find_spec("pacmap") is None and os.environ.get("FEWLAB_REQUIRE_EXTRAS") != "1":
        pytest.skip("PaCMAP is an optional extra")
    frames = [groups(apart=apart) for apart in (1.5, 2.0, 2.5, 3.0)]
    found, again = project(frames, request("pacmap")), project(frames, request("pacmap"))
    np.testing.assert_array_equal(found, again)
    alone = np.concatenate([project([frame], request("pacmap")) for frame in frames])
    np.testing.assert_array_equal(found[-1], alone[-1])
    assert movement(found) < movement(alone)
    assert (project([frames[-1]], request("pacmap", seed=1)) != found[-1]).any()
    assert (project([frames[-1]], request("pacmap", neighbors=5)) != found[-1]).any()
    # Points of one group lie nearer to their own than to the others' middles.
    middles = np.stack([found[-1][group::4].mean(0) for group in range(4)])
    nearest = np.linalg.norm(found[-1][:, None] - middles, axis=2).argmin(1)
    assert (nearest == np.arange(120) % 4).mean() > 0.95
    few = project([np.ones((8, 4), np.float32), groups(8, 4)], request("pacmap", neighbors=50, dimensions=3))
    assert few.shape == (2, 8, 3)
    assert np.isfinite(few).all()
    with pytest.raises(ProjectionError) as refused:
        project([groups(7, 4)], request("pacmap"))
    assert str(refused.value) == "PaCMAP needs at least 8 points, but there are 7: choose t-SNE or PCA."


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_three_points_are_enough(method: str, metric: str) -> None:
    found = project([np.eye(3, dtype=np.float32)], request(method, metric=metric))
    assert found.shape == (1, 3, 2)
    assert np.isfinite(found).all()
    assert np.ptp(found[0], axis=0).max() > 0.1


@pytest.mark.parametrize("points", [5, 12, 25])
def test_a_handful_of_points_is_spread_out_by_tsne_and_travels(points: int) -> None:
    for seed in range(5):
        frames = [np.random.default_rng(seed + 10 * frame).normal(size=(points, 8)) for frame in range(2)]
        for found in project(frames, request("tsne", metric="euclidean", seed=seed)):
            assert len(np.unique(found.round(3), axis=0)) == points


def test_progress_is_told_and_never_goes_back() -> None:
    told: list[tuple[float, str]] = []
    project([groups(), groups()], request("tsne", perplexity=5), lambda share, words: told.append((share, words)))
    shares = [share for share, _ in told]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert len(set(shares)) > 10
    assert told[1][1] == "Laying out with t-SNE, evaluation 1 of 2"


@pytest.mark.parametrize("method", ["pca", "tsne", "umap", "pacmap"])
def test_what_has_no_image_is_refused_in_a_sentence(method: str) -> None:
    def refused(*frames: Features) -> str:
        with pytest.raises(ProjectionError) as error:
            project(frames, request(method))
        return str(error.value)

    broken = groups()
    broken[[3, 7], 2] = np.nan, np.inf
    assert refused() == "There is nothing to project: choose at least one evaluation."
    assert (
        refused(groups(2))
        == "A projection needs at least 3 points, but there are 2: choose more parts or a larger sample."
    )
    assert (
        refused(broken)
        == "2 of 120 points have features that are not finite numbers: choose an evaluation from before the training"
        " went wrong."
    )
    assert refused(broken, groups()).startswith(
        "2 of 120 points have features that are not finite numbers in evaluation 1 of 2:"
    )
    assert (
        refused(groups(), groups(100))
        == "The evaluations must have features [N, D] of the same points, but theirs are [120, 10], [100, 10]."
    )
    same = (
        "All 120 points have the same features, so there is nothing to lay out: the network tells no image from"
        " another there."
    )
    assert refused(np.ones((120, 10), np.float32)) == same
    assert refused(np.zeros((120, 10), np.float32)) == same


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ({"method": "mds"}, "method is 'mds' but must be one of 'pca', 'tsne', 'umap' or 'pacmap'."),
        ({"dimensions": 4}, "dimensions is '4' but must be one of 2 or 3."),
        ({"neighbors": 1}, "neighbors is 1 but must be at least 2."),
        ({"min_dist": 1.5}, "min_dist is 1.5 but must be at most 0.99."),
        ({"perplexty": 5}, "There is no setting 'perplexty': remove it, or check its spelling."),
    ],
)
def test_a_request_out_of_range_is_refused_in_a_sentence(value: dict[str, object], complaint: str) -> None:
    with pytest.raises(ConfigError) as refused:
        ProjectionRequest.parse(value)
    assert str(refused.value) == complaint


def test_settings_of_other_methods_do_not_make_another_projection() -> None:
    assert request("pca", perplexity=5, neighbors=99, seed=3).used() == request("pca").used()
    assert request("umap", perplexity=5).used() == request("umap").used()
    assert request("umap", min_dist=0.5).used() != request("umap").used()
    assert request("tsne", perplexity=5).used() != request("tsne").used()
    assert request("pacmap", perplexity=5, min_dist=0.5).used() == request("pacmap").used()
    assert request("pacmap", neighbors=5).used() != request("pacmap").used()


def test_the_form_of_a_method_leaves_out_what_only_others_read() -> None:
    assert ProjectionRequest.unused("pca") == ("min_dist", "neighbors", "perplexity", "seed")
    assert ProjectionRequest.unused("pacmap") == ("min_dist", "perplexity")


def test_a_package_that_is_not_installed_is_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "pacmap" else found(name, *more)
    )
    with pytest.raises(ProjectionError) as refused:
        project([groups()], request("pacmap"))
    assert str(refused.value) == (
        "PaCMAP is not installed: run `pip install -r requirements-extras.txt`, or choose UMAP or t-SNE."
    )
