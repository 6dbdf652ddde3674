"""CRMatch (Fan et al. 2021) against the formula in numpy: FixMatch's losses, features pushed apart, rotations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from engine.methods.base.batch import Batch, StreamBatch
from engine.methods.base.context import StepContext
from engine.methods.semi_supervised.crmatch import CRMatch
from tests.oracle.fixtures_logits import method

Floats = NDArray[np.float64]
NOW = StepContext(0, 2, 10)
RNG = np.random.default_rng(7)
PIXELS, LABELED = 4, 2
X, W, S = RNG.normal(size=(LABELED, 1, 2, 2)), 3 * RNG.normal(size=(6, 1, 2, 2)), RNG.normal(size=(6, 1, 2, 2))
MATRIX, PROJECTION, TURNS = RNG.normal(size=(PIXELS, 3)), RNG.normal(size=(PIXELS, 5)), RNG.normal(size=(PIXELS, 4))


class LinearModel(nn.Module):
    """Its features are the pixels."""

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = images.flatten(1)
        return features, features @ torch.tensor(MATRIX)


def linear(matrix: Floats) -> nn.Linear:
    layer = nn.Linear(len(matrix), len(matrix[0]), bias=False)
    layer.weight.data = torch.tensor(matrix.T)
    return layer


def built(**params: Any) -> CRMatch:
    made = method("crmatch", threshold=0.75, projection_size=5, **params).double()
    assert isinstance(made, CRMatch)
    made.classifier = LinearModel()  # type: ignore[assignment]
    made.projection = linear(PROJECTION)  # type: ignore[assignment]
    made.rotations = linear(TURNS)  # type: ignore[assignment]
    return made


def given(weak: Tensor, strong: Tensor) -> Batch:
    six = torch.arange(6)
    return {
        "labeled": StreamBatch(six[:2], six[:2], torch.tensor([1, 2]), {"weak": torch.tensor(X)}),
        "unlabeled": StreamBatch(six, six, None, {"weak": weak, "strong": strong}),
    }


def log_softmax(rows: Floats) -> Floats:
    shares: Floats = rows - np.log(np.exp(rows).sum(1, keepdims=True))
    return shares


def flat(images: Floats) -> Floats:
    return images.reshape(len(images), -1)


def cosines() -> Floats:
    first, second = flat(W) @ PROJECTION, flat(S) @ PROJECTION
    shares: Floats = (first * second).sum(1) / np.linalg.norm(first, axis=1) / np.linalg.norm(second, axis=1)
    return shares


def used_rows() -> NDArray[np.bool_]:
    rows: NDArray[np.bool_] = np.exp(log_softmax(flat(W) @ MATRIX).max(1)) >= 0.75
    return rows


def test_the_step_of_the_formula() -> None:
    result = built(unlabeled_weight=2.0, distance_weight=3.0, rotation_weight=0.5).step(
        given(torch.tensor(W), torch.tensor(S)), NOW
    )
    labels, used = (flat(W) @ MATRIX).argmax(1), used_rows()
    loss_x = -log_softmax(flat(X) @ MATRIX)[[0, 1], [1, 2]].mean()
    loss_u = (-log_softmax(flat(S) @ MATRIX)[np.arange(6), labels] * used).mean()
    loss_d = (np.maximum(0, cosines()) * used).mean()
    # Of the first two weak views: as many as there are labeled images.
    of_turns = [-log_softmax(flat(np.rot90(W[:LABELED], n, (2, 3))) @ TURNS)[:, n] for n in range(4)]
    loss_r = np.mean(of_turns)

    assert 0 < used.sum() < 6
    assert (cosines()[used] > 0).any()
    assert (cosines()[used] < 0).any()  # without the hinge it would be another number
    assert result.scalars["loss/labeled"].item() == pytest.approx(loss_x, abs=1e-6)
    assert result.scalars["loss/unlabeled"].item() == pytest.approx(loss_u, abs=1e-6)
    assert result.scalars["loss/rotation"].item() == pytest.approx(loss_r, abs=1e-6)
    assert result.scalars["similarity/views"].item() == pytest.approx(loss_d * 6 / used.sum(), abs=1e-6)
    assert result.loss.item() == pytest.approx(loss_x + 2 * loss_u + 3 * loss_d + 0.5 * loss_r, abs=1e-5)


def test_the_distance_is_made_larger_by_both_views_of_used_rows_alone() -> None:
    weak, strong = torch.tensor(W, requires_grad=True), torch.tensor(S, requires_grad=True)
    loss = built(unlabeled_weight=0.0, rotation_weight=0.0).step(given(weak, strong), NOW).loss
    loss.backward()  # type: ignore[no-untyped-call]
    pushed = (used_rows() & (cosines() > 0)).tolist()
    for view in (weak, strong):
        assert view.grad is not None
        assert [bool(row.abs().max() > 0) for row in view.grad] == pushed
    with torch.no_grad():
        moved = [view - 0.01 * view.grad for view in (weak, strong)]  # type: ignore[operator]  # both have one
    before, after = (
        built().step(given(*pair), NOW).scalars["similarity/views"].item() for pair in ((weak, strong), moved)
    )
    assert after < before


def test_without_its_own_terms_no_gradient_reaches_the_weak_view() -> None:
    weak, strong = torch.tensor(W, requires_grad=True), torch.tensor(S, requires_grad=True)
    loss = built(distance_weight=0.0, rotation_weight=0.0).step(given(weak, strong), NOW).loss
    loss.backward()  # type: ignore[no-untyped-call]
    assert weak.grad is not None
    assert weak.grad.abs().max().item() == 0
    assert strong.grad is not None
    assert [bool(row.abs().max() > 0) for row in strong.grad] == used_rows().tolist()
