"""Label propagation and spreading: worked numbers, closed forms, and scikit-learn's estimators on one given graph."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import sparse
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.neighbors import NearestNeighbors
from sklearn.semi_supervised import LabelPropagation as TheirPropagation
from sklearn.semi_supervised import LabelSpreading as TheirSpreading

from engine.analysis.neighbors import nearest_neighbors
from engine.backbones.pixels import Pixels
from engine.errors import ConfigError
from engine.methods.base.context import StepContext, TaskSpec
from engine.methods.base.method import PoolData
from engine.methods.graph.label_propagation import LabelPropagation
from engine.methods.graph.label_spreading import LabelSpreading
from engine.methods.graph.neighbor_graph import (
    NeighborVote,
    knn_graph,
    nearest,
    rbf_graph,
    row_normalized,
    scaled_gamma,
)

Ours = LabelPropagation | LabelSpreading
LINE = torch.tensor([[0.0], [1.0], [2.0], [3.0]])


def made(cls: type[Ours], n: int, classes: int, features: int = 1, **params: Any) -> Ours:
    backbone = Pixels(Pixels.Params(), 1, 1)
    backbone.feature_size = features
    return cls(cls.Params(**params), backbone, TaskSpec(classes, 1, 1, {"all": n}, 32))


def flowed(method: Ours, graph: Any, labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """What converged on a given graph."""
    method.begin(graph, PoolData(torch.zeros(len(labels), 1), torch.as_tensor(labels), torch.arange(len(labels))))
    for step in range(2000):
        if method.iterate(StepContext(0, step, 2000)).converged:
            return method.class_probabilities()
    raise AssertionError("it did not converge")


def one_hot(labels: NDArray[np.int64], classes: int) -> NDArray[np.float64]:
    return np.where(labels[:, None] >= 0, np.eye(classes)[labels], 0)


def test_four_points_on_a_line() -> None:
    graph, labels = rbf_graph(LINE, 0.5), np.array([0, -1, -1, 1])
    propagated = flowed(made(LabelPropagation, 4, 2, tolerance=1e-13), graph, labels)
    np.testing.assert_allclose(propagated[1], [0.6205148103, 0.3794851897], atol=1e-9)
    np.testing.assert_array_equal(propagated[[0, 3]], [[1, 0], [0, 1]])
    spread = flowed(made(LabelSpreading, 4, 2, alpha=0.2, tolerance=1e-13), graph, labels)
    np.testing.assert_allclose(spread[:2], [[0.9890934531, 0.0109065469], [0.7593668794, 0.2406331206]], atol=1e-9)


@pytest.fixture(scope="module")
def digits() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """500 digits, scaled to 0..1, with five labels per class; -1 where hidden."""
    images, truth = load_digits(return_X_y=True)
    images, truth = images[:500] / 16, truth[:500]
    labels = np.full(500, -1)
    for k in range(10):
        rows = np.flatnonzero(truth == k)[:5]
        labels[rows] = k
    return images, labels


def test_the_neighbors_are_those_of_scikit_learn(digits: tuple[NDArray[np.float64], NDArray[np.int64]]) -> None:
    images = torch.as_tensor(digits[0]).float()
    ours = nearest_neighbors(images.numpy(), 7, "euclidean")
    estimator = NearestNeighbors(n_neighbors=7, algorithm="brute").fit(digits[0])
    theirs, _ = estimator.kneighbors()
    np.testing.assert_allclose(ours.distances, theirs, atol=1e-5)
    voting = nearest(images[:40], images, 7)
    distances, rows = estimator.kneighbors(digits[0][:40])
    np.testing.assert_allclose(voting.distances.sqrt().numpy()[:, 1:], distances[:, 1:], atol=1e-5)
    assert voting.rows[:, 0].tolist() == rows[:, 0].tolist() == list(range(40))
    graph = knn_graph(ours)
    assert (graph != graph.T).nnz == 0
    assert graph.diagonal().sum() == 0
    assert set(graph.data) == {1.0}
    assert graph.sum(1).min() >= 7


@pytest.mark.parametrize("kind", ["knn", pytest.param("rbf", marks=pytest.mark.slow)])
def test_propagation_gives_the_labels_of_scikit_learn_on_one_graph(
    kind: str, digits: tuple[NDArray[np.float64], NDArray[np.int64]]
) -> None:
    images, labels = digits
    graph = _graph(kind, images)
    dense = graph.toarray() if sparse.issparse(graph) else graph
    theirs = TheirPropagation(kernel=lambda a, b: dense.copy(), max_iter=50_000, tol=1e-12)
    _quietly(theirs, images, labels)
    ours = flowed(made(LabelPropagation, 500, 10, tolerance=1e-12), graph, labels)
    np.testing.assert_array_equal(ours.argmax(1), theirs.transduction_)
    np.testing.assert_allclose(ours, theirs.label_distributions_, atol=1e-5)


@pytest.mark.parametrize("kind", ["knn", "rbf"])
@pytest.mark.parametrize("alpha", [0.2, 0.99])
def test_spreading_gives_the_labels_of_scikit_learn_on_one_graph(
    kind: str, alpha: float, digits: tuple[NDArray[np.float64], NDArray[np.int64]]
) -> None:
    images, labels = digits
    graph = _graph(kind, images)
    dense = graph.toarray() if sparse.issparse(graph) else graph
    theirs = TheirSpreading(kernel=lambda a, b: dense.copy(), alpha=alpha, max_iter=50_000, tol=1e-12)
    _quietly(theirs, images, labels)
    ours = flowed(made(LabelSpreading, 500, 10, alpha=alpha, tolerance=1e-12), graph, labels)
    np.testing.assert_array_equal(ours.argmax(1), theirs.transduction_)
    np.testing.assert_allclose(ours, theirs.label_distributions_, atol=1e-5)


def test_the_fixed_points_are_the_closed_forms(digits: tuple[NDArray[np.float64], NDArray[np.int64]]) -> None:
    images, labels = digits
    w, targets = _graph("rbf", images), one_hot(labels, 10)
    degrees = w.sum(1)
    s = w / np.sqrt(np.outer(degrees, degrees))
    spread = flowed(made(LabelSpreading, 500, 10, alpha=0.9, tolerance=1e-13), w, labels)
    np.testing.assert_allclose(spread, row_normalized(np.linalg.solve(np.eye(500) - 0.9 * s, targets)), atol=1e-8)
    p, u, known = w / degrees[:, None], labels < 0, labels >= 0
    closed = np.linalg.solve(np.eye(u.sum()) - p[np.ix_(u, u)], p[np.ix_(u, known)] @ targets[known])
    np.testing.assert_allclose(
        flowed(made(LabelPropagation, 500, 10, tolerance=1e-13), w, labels)[u], closed, atol=1e-6
    )


@pytest.mark.parametrize("cls", [LabelPropagation, LabelSpreading])
def test_an_image_that_no_label_reaches_is_unknown_not_class_0(cls: type[Ours]) -> None:
    features = torch.tensor([[0.0], [1.0], [100.0], [101.0], [0.5], [100.5]])
    method = made(cls, 6, 2, neighbors=2)
    method.prepare(PoolData(features, torch.tensor([0, 1, -1, -1, -1, -1]), torch.arange(6)))
    for step in range(500):
        result = method.iterate(StepContext(0, step, 500))
    assert result.converged
    assert float(result.scalars["unknown"]) == pytest.approx(0.5)
    assert result.pseudo_labels is not None
    assert result.pseudo_labels.weight.tolist() == [0, 0, 1, 0]
    images = torch.tensor([0.2, 100.2, 1e6]).reshape(3, 1, 1, 1)
    probabilities = method.served()(images)[1].exp()
    assert torch.isfinite(probabilities).all()
    np.testing.assert_allclose(probabilities[1:], 0.5, atol=1e-6)
    assert probabilities[0, 0] > 0.5 - 1e-6


@pytest.mark.parametrize("scale", [1.0, 1000.0])
def test_the_chosen_gamma_does_not_depend_on_the_scale_of_the_pixels(
    scale: float, digits: tuple[NDArray[np.float64], NDArray[np.int64]]
) -> None:
    features = torch.as_tensor(digits[0]).float() * scale
    gamma = scaled_gamma(nearest_neighbors(features.numpy(), 7, "euclidean").distances)
    np.testing.assert_allclose(rbf_graph(features, gamma / 3), _graph("rbf", digits[0]), atol=1e-4)


def test_a_new_image_is_answered_with_the_weights_of_the_rbf_graph() -> None:
    """exp(-gamma d²), as between the images of the graph itself: at 1 from the one, at 3 from the other."""
    backbone = Pixels(Pixels.Params(), 1, 1)
    bank, beliefs = torch.tensor([[0.0], [4.0]]), torch.tensor([[1.0, 0.0], [0.25, 0.75]])
    params = LabelSpreading.Params(graph="rbf", neighbors=2)
    vote = NeighborVote(backbone, params, bank, beliefs, torch.tensor(0.2, dtype=torch.float64), torch.zeros(1))
    weights = np.exp(-0.2 * np.array([1.0, 9.0]))
    expected = weights / weights.sum() @ beliefs.double().numpy()
    np.testing.assert_allclose(vote.answer(torch.tensor([[1.0]])).exp().numpy()[0], expected, atol=1e-6)


def test_a_dense_graph_of_too_many_images_is_refused_before_it_is_made() -> None:
    with pytest.raises(ConfigError) as refused:
        rbf_graph(torch.zeros(12_001, 1), 1.0)
    assert (
        str(refused.value)
        == "An rbf graph of 12,001 images would not fit into memory: choose method.graph knn, or at most 12,000"
        " images."
    )


def _graph(kind: str, images: NDArray[np.float64]) -> Any:
    features = torch.as_tensor(images).float()
    neighbors = nearest_neighbors(features.numpy(), 7, "euclidean")
    # A third of the chosen gamma: with the whole, the other side's iterations take minutes to converge.
    return knn_graph(neighbors) if kind == "knn" else rbf_graph(features, scaled_gamma(neighbors.distances) / 3)


def _quietly(estimator: Any, images: NDArray[np.float64], labels: NDArray[np.int64]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", RuntimeWarning)
        estimator.fit(images, labels)


def test_a_run_that_is_resumed_on_another_graph_still_converges_to_that_graphs_labels(
    digits: tuple[NDArray[np.float64], NDArray[np.int64]],
) -> None:
    """An earlier FewLab may have chosen another of two equally far neighbors: its residual is another system's."""
    images, labels = digits
    before, after = (
        _graph("knn", images),
        _graph("knn", images + np.random.default_rng(0).normal(0, 0.02, images.shape)),
    )
    assert (before != after).nnz > 0
    pool = PoolData(torch.zeros(500, 1), torch.as_tensor(labels), torch.arange(500))
    method = made(LabelSpreading, 500, 10, tolerance=1e-12)
    method.begin(before, pool)
    for step in range(6):
        method.iterate(StepContext(0, step, 2000))
    resumed = made(LabelSpreading, 500, 10, tolerance=1e-12)
    resumed.load_state_dict(method.state_dict())
    expected = flowed(made(LabelSpreading, 500, 10, tolerance=1e-12), after, labels)
    np.testing.assert_allclose(flowed(resumed, after, labels), expected, atol=1e-8)
