"""Poisson learning: its equation by dense algebra, its paper's own iteration, and graphs in several parts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from engine.backbones.pixels import Pixels
from engine.methods.base.context import StepContext, TaskSpec
from engine.methods.base.method import PoolData
from engine.methods.graph.neighbor_graph import Graph, rbf_graph
from engine.methods.graph.poisson_learning import PoissonLearning

LABELS = np.array([0, -1, -1, 1, -1, -1, -1, 2, -1, 0])


def points(count: int = 10) -> torch.Tensor:
    return torch.rand(count, 2, generator=torch.Generator().manual_seed(1)) * 3


def solved(graph: Graph, labels: NDArray[np.int64], classes: int = 3, **params: Any) -> PoissonLearning:
    backbone = Pixels(Pixels.Params(), 1, 1)
    task = TaskSpec(classes, 1, 1, {"all": len(labels)}, 32)
    method = PoissonLearning(PoissonLearning.Params(tolerance=1e-13, **params), backbone, task)
    pool = PoolData(torch.zeros(len(labels), 1), torch.as_tensor(labels), torch.arange(len(labels)))
    method.begin(graph, pool)
    for step in range(500):
        if method.iterate(StepContext(0, step, 500)).converged:
            return method
    raise AssertionError("it did not converge")


def flow(method: PoissonLearning) -> NDArray[np.float64]:
    """u: what the probabilities are made of."""
    u: NDArray[np.float64] = method.solution.numpy() * method._system.scale[:, None]
    return u


def sources(labels: NDArray[np.int64], classes: int = 3) -> NDArray[np.float64]:
    known = labels >= 0
    one_hot = np.where(known[:, None], np.eye(classes)[labels], 0)
    return np.where(known[:, None], one_hot - one_hot[known].mean(0), 0)


def test_it_solves_the_poisson_equation_with_the_papers_mean() -> None:
    w = rbf_graph(points(), 1.0)
    degrees = w.sum(1)
    expected = np.linalg.pinv(np.diag(degrees) - w) @ sources(LABELS)
    expected -= (degrees @ expected) / degrees.sum()  # Σ d u = 0
    method = solved(w, LABELS)
    np.testing.assert_allclose(flow(method), expected, atol=1e-9)
    np.testing.assert_array_equal(method.class_probabilities().argmax(1), expected.argmax(1))
    np.testing.assert_allclose(method.class_probabilities().sum(1), 1)


def test_it_converges_to_what_algorithm_1_of_the_paper_does() -> None:
    """U ← U + D⁻¹(B - LU), from 0."""
    w = rbf_graph(points(), 1.0)
    degrees, b = w.sum(1), sources(LABELS)
    u = np.zeros_like(b)
    for _ in range(20_000):
        u += (b - (degrees[:, None] * u - w @ u)) / degrees[:, None]
    np.testing.assert_allclose(flow(solved(w, LABELS)), u, atol=1e-8)


def test_sources_without_the_mean_taken_off_are_another_equation() -> None:
    w = rbf_graph(points(), 1.0)
    laplacian = np.diag(w.sum(1)) - w
    np.testing.assert_allclose(laplacian @ flow(solved(w, LABELS)), sources(LABELS), atol=1e-8)
    one_hot = np.where((LABELS >= 0)[:, None], np.eye(3)[LABELS], 0)
    assert np.abs(laplacian @ (np.linalg.pinv(laplacian) @ one_hot) - one_hot).max() > 0.05  # it has no solution


def test_uniform_priors_divide_by_how_often_a_class_is_labeled() -> None:
    w = rbf_graph(points(), 1.0)
    u = flow(solved(w, LABELS))
    adjusted = u * (np.array([1, 1, 1]) / 3) / np.array([0.5, 0.25, 0.25])  # algorithm 1: U diag(b / ȳ)
    found = solved(w, LABELS, priors="uniform").class_probabilities()
    np.testing.assert_array_equal(found.argmax(1), adjusted.argmax(1))
    shares = np.exp(adjusted / np.sqrt((adjusted**2).mean()))
    np.testing.assert_allclose(found, shares / shares.sum(1, keepdims=True), atol=1e-9)


def test_each_part_of_a_graph_is_decided_by_its_own_labels() -> None:
    """Two parts with flow, one of a single class, one without any label."""
    parts = [points(4) + 100 * shift for shift in range(4)]
    w = rbf_graph(torch.cat(parts), 1.0)
    labels = np.full(16, -1)
    labels[[0, 3]], labels[[4, 7]], labels[8] = (0, 1), (1, 2), 2
    probabilities = solved(w, labels).class_probabilities()
    assert set(probabilities[:4].argmax(1)) == {0, 1}
    assert (probabilities[:4, 2] == 0).all()
    assert set(probabilities[4:8].argmax(1)) == {1, 2}
    np.testing.assert_allclose(probabilities[8:12], np.tile([0, 0, 1], (4, 1)))
    np.testing.assert_allclose(probabilities[12:], 1 / 3)
    alone = solved(rbf_graph(parts[0], 1.0), labels[:4])
    np.testing.assert_array_equal(alone.class_probabilities().argmax(1), probabilities[:4].argmax(1))


@pytest.mark.parametrize("neighbors", [3])
def test_one_label_of_each_class_is_enough_on_two_clouds(neighbors: int) -> None:
    draws = torch.Generator().manual_seed(0)
    features = torch.randn(80, 2, generator=draws) + torch.tensor([[0.0, 0.0]] * 40 + [[5.0, 0.0]] * 40)
    labels = np.full(80, -1)
    labels[[0, 40]] = 0, 1
    backbone = Pixels(Pixels.Params(), 1, 1)
    backbone.feature_size = 2
    method = PoissonLearning(PoissonLearning.Params(neighbors=neighbors), backbone, TaskSpec(2, 1, 1, {"all": 80}, 32))
    method.prepare(PoolData(features, torch.as_tensor(labels), torch.arange(80)))
    for step in range(500):
        if method.iterate(StepContext(0, step, 500)).converged:
            break
    truth = np.arange(80) // 40
    assert (method.class_probabilities().argmax(1) == truth).mean() > 0.95
