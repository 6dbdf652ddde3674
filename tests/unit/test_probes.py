"""Probes: draws that depend on nothing but the data, neighbors and linear classifiers against what is known of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from engine.analysis.probes import (
    GRID,
    WITHOUT_VALIDATION,
    choose_c,
    few_per_class,
    fit_linear,
    neighbor_votes,
    scale_of,
)
from engine.config.run_config import RunConfig
from engine.data.split import make_split
from engine.training.assemble import load_images
from engine.training.evaluation.evaluator import Evaluator
from engine.training.evaluation.probes import DRAWS
from engine.training.hardware import resolve
from engine.training.probed_network import ProbedNetwork

A = np.array([[1, 0, 2], [0, 1, -1], [-1, 2, 0], [2, -1, 1.0]])


def blobs(count: int, classes: int = 3, size: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    return random.normal(0, 1, (count, size)) + 3 * np.eye(classes, size)[labels], labels


def test_the_votes_of_three_neighbors_are_the_worked_number() -> None:
    shares = neighbor_votes(A, np.array([0, 0, 1, 1]), np.array([[1.0, 1, 0]]), 2, k=3, temperature=0.07)
    assert shares[0, 0] == pytest.approx(0.936744730526, abs=1e-11)
    assert shares.sum() == pytest.approx(1, abs=1e-12)


def test_one_neighbor_is_the_nearest_by_angle_whatever_the_lengths() -> None:
    bank, labels = blobs(30)
    queries, _ = blobs(50, seed=1)
    angles = np.arccos(
        np.clip(
            (queries / np.linalg.norm(queries, axis=1, keepdims=True))
            @ (bank / np.linalg.norm(bank, axis=1, keepdims=True)).T,
            -1,
            1,
        )
    )
    expected = labels[angles.argmin(1)]
    assert (neighbor_votes(bank * np.linspace(1, 9, 30)[:, None], labels, queries, 3, k=1).argmax(1) == expected).all()


def test_more_neighbors_than_there_are_is_all_of_them() -> None:
    bank, labels = blobs(6)
    assert neighbor_votes(bank, labels, bank, 3, k=20) == pytest.approx(neighbor_votes(bank, labels, bank, 3, k=6))


def test_a_draw_is_balanced_nested_and_agrees_on_what_two_sets_share() -> None:
    labels = np.array([0, 1, 2, 0, 1, 2, 0, 1, -1, 0])
    rank = np.random.default_rng(3).permutation(10)
    one, two = few_per_class(labels, rank, 1), few_per_class(labels, rank, 2)
    assert sorted(labels[one]) == [0, 1, 2]
    assert sorted(labels[two]) == [0, 0, 1, 1, 2, 2]
    assert set(one) < set(two)
    # A class with fewer gives what it has.
    assert sorted(labels[few_per_class(labels, rank, 4)]) == [
        0,
        0,
        0,
        0,
        1,
        1,
        1,
        2,
        2,
    ]
    unused = np.setdiff1d(np.arange(10), two)[:1]
    kept = np.setdiff1d(np.arange(10), unused)
    assert set(kept[few_per_class(labels[kept], rank[kept], 2)]) == set(two)


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_a_linear_probe_gives_scikit_learns_probabilities(classes: int) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    features, labels = blobs(70, classes, 8)
    probe = fit_linear(features, labels, classes, scale_of(features), 0.1)
    expected = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000)).fit(features, labels)
    ours = torch.as_tensor(probe.logits(features)).softmax(1).numpy()
    assert ours == pytest.approx(expected.predict_proba(features), abs=2e-3)


@pytest.mark.parametrize("known", [[4], [1, 4], [0, 2, 4]])
def test_a_class_without_a_label_gets_probability_0(known: list[int]) -> None:
    features, _ = blobs(30)
    labels = np.array(known)[np.arange(30) % len(known)]
    probabilities = torch.as_tensor(fit_linear(features, labels, 6, scale_of(features), 1.0).logits(features)).softmax(
        1
    )
    assert probabilities[:, known].sum(1).numpy() == pytest.approx(1, abs=1e-6)


def test_a_feature_that_never_changes_does_no_harm() -> None:
    features, labels = blobs(30)
    features[:, 3] = 7
    mean, std = scale_of(features)
    assert (mean[3], std[3]) == (7, 1)
    assert np.isfinite(fit_linear(features, labels, 3, (mean, std), 1.0).weight).all()


def test_regularization_is_chosen_where_held_out_images_say_so() -> None:
    random = np.random.default_rng(0)
    labels = np.arange(40) % 2
    features = random.normal(0, 1, (40, 200))
    features[:, 0] += 2.0 * labels
    held_labels = np.arange(2000) % 2
    held = random.normal(0, 1, (2000, 200))
    held[:, 0] += 2.0 * held_labels
    rows = [np.arange(40)]
    scale = scale_of(features)
    chosen = choose_c(features, labels, 2, scale, rows, (held, held_labels))
    right = {c: (fit_linear(features, labels, 2, scale, c).logits(held).argmax(1) == held_labels).mean() for c in GRID}
    assert right[chosen] == max(right.values())
    assert choose_c(features, labels, 2, scale, rows, (held[:0], held_labels[:0])) == WITHOUT_VALIDATION


class Mean(nn.Module):
    """Two features and no logits."""

    def forward(self, images: Tensor) -> tuple[Tensor, None]:
        return torch.stack((images.mean((1, 2, 3)), images[:, 0, 0, 0]), 1), None


def test_the_saved_probe_computes_what_was_fitted() -> None:
    images = torch.rand(5, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    features = Mean()(images)[0].numpy()
    probe = fit_linear(features, np.array([0, 1, 2, 0, 1]), 3, scale_of(features), 10.0)
    probed = ProbedNetwork(Mean(), 3, 2)
    probed.take(probe)
    assert probed(images)[1].numpy() == pytest.approx(probe.logits(features), abs=1e-5)
    assert probed(images)[0].numpy() == pytest.approx(features)


def test_a_draw_is_the_same_for_every_seed_but_for_what_is_held_back() -> None:
    seen = []
    for seed in (0, 1):
        config = RunConfig.parse({"method": "simclr", "seed": seed})
        images = load_images(config)
        split = make_split(images, config.data)
        probes = Evaluator(images, split, resolve(config.hardware))._probes
        draws = []
        for rank in probes._ranks:
            rows = few_per_class(images.labels[probes._train], rank[probes._train], 5)
            draws.append(set(images.ids[probes._train][rows].tolist()))
            assert not draws[-1] & set(split.validation.tolist())
            assert not draws[-1] & set(split.test.tolist())
        seen.append(draws)
    shared = [len(a & b) for a, b in zip(*seen, strict=True)]
    assert len(shared) == DRAWS
    assert min(shared) > 30  # of 50; a tenth of the images is held back, others for each seed


def test_features_whose_squares_overflow_have_the_neighbors_of_their_directions() -> None:
    """As a deep network gives them whose batch norm has seen a few steps."""
    rng = np.random.default_rng(3)
    bank, queries = rng.normal(size=(20, 8)).astype(np.float32), rng.normal(size=(6, 8)).astype(np.float32)
    labels = np.arange(20) % 3
    huge = np.float32(1e30)
    expected = neighbor_votes(bank, labels, queries, 3, k=3)
    np.testing.assert_allclose(neighbor_votes(bank * huge, labels, queries * huge, 3, k=3), expected, atol=1e-5)
