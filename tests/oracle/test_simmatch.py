"""SimMatch (Zheng et al. 2022, section 3) against the formula in numpy: unfolding, aggregating, both losses, memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from engine.methods.base.batch import Batch, StreamBatch
from engine.methods.base.context import StepContext
from engine.methods.semi_supervised.simmatch import SimMatch
from tests.oracle.fixtures_logits import method

Floats = NDArray[np.float64]
SECOND_PASS = StepContext(0, 5, 10, steps_per_epoch=3)
FIRST_PASS = StepContext(0, 1, 10, steps_per_epoch=3)
RNG = np.random.default_rng(8)
FEATURES = 4
X, W, S = RNG.normal(size=(2, FEATURES)), 2 * RNG.normal(size=(6, FEATURES)), RNG.normal(size=(6, FEATURES))
MATRIX, PROJECTION = RNG.normal(size=(FEATURES, 3)), RNG.normal(size=(FEATURES, 5))
CLASSES = [0, 1, 2, 1]  # of the four labeled images
ROWS, LABELS = [3, 0], [1, 0]


class LinearModel(nn.Module):
    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return images, images @ torch.tensor(MATRIX)


def softmax(rows: Any) -> Floats:
    powers = np.exp(np.asarray(rows))
    shares: Floats = powers / powers.sum(1, keepdims=True)
    return shares


def unit(rows: Floats) -> Floats:
    lengths: Floats = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return lengths


BANK = unit(RNG.normal(size=(4, 5)))


def given(strong: Tensor) -> Batch:
    six = torch.arange(6)
    return {
        "labeled": StreamBatch(six[:2], torch.tensor(ROWS), torch.tensor(LABELS), {"weak": torch.tensor(X)}),
        "unlabeled": StreamBatch(six, six, None, {"weak": torch.tensor(W), "strong": strong}),
    }


@pytest.fixture
def simmatch() -> SimMatch:
    built = method("simmatch", counts={"labeled": 4}, threshold=0.6, smoothing=0.7, projection_size=5, temperature=0.5)
    built = built.double()
    assert isinstance(built, SimMatch)
    built.classifier = LinearModel()  # type: ignore[assignment]
    projection = nn.Linear(FEATURES, 5, bias=False)
    projection.weight.data = torch.tensor(PROJECTION.T)
    built.projection = projection  # type: ignore[assignment]
    built.memory = torch.tensor(BANK, dtype=torch.float32)
    built.memory_labels.copy_(torch.tensor(CLASSES))
    return built


def aligned() -> Floats:
    own = softmax(W @ MATRIX)
    own = own / ((255 / 3 + own.mean(0)) / 256)
    shares: Floats = own / own.sum(1, keepdims=True)
    return shares


def test_the_step_of_the_formula(simmatch: SimMatch) -> None:
    strong = torch.tensor(S, requires_grad=True)
    result = simmatch.step(given(strong), SECOND_PASS)
    own, onehot = aligned(), np.eye(3)[CLASSES]
    similar = softmax(unit(W @ PROJECTION) @ BANK.T / 0.5)
    soft = 0.7 * own + 0.3 * similar @ onehot
    unfolded = similar * (own @ onehot.T)
    unfolded /= unfolded.sum(1, keepdims=True)
    used = soft.max(1) >= 0.6
    loss_x = -np.log(softmax(X @ MATRIX))[[0, 1], LABELS].mean()
    loss_u = (-(soft * np.log(softmax(S @ MATRIX))).sum(1) * used).mean()
    loss_i = -(unfolded * np.log(softmax(unit(S @ PROJECTION) @ BANK.T / 0.5))).sum(1).mean()
    assert 0 < used.sum() < 6
    assert result.scalars["loss/labeled"].item() == pytest.approx(loss_x, abs=1e-5)
    assert result.scalars["loss/unlabeled"].item() == pytest.approx(loss_u, abs=1e-5)
    assert result.scalars["loss/instances"].item() == pytest.approx(loss_i, abs=1e-5)
    assert result.loss.item() == pytest.approx(loss_x + loss_u + loss_i, abs=1e-5)
    moved = BANK.copy()
    moved[ROWS] = unit(0.7 * BANK[ROWS] + 0.3 * unit(X @ PROJECTION))
    np.testing.assert_allclose(simmatch.memory, moved, atol=1e-6)
    result.loss.backward()  # type: ignore[no-untyped-call]
    assert strong.grad is not None
    assert all(bool(row.abs().max() > 0) for row in strong.grad)


def test_in_the_first_pass_the_prediction_stands_alone(simmatch: SimMatch) -> None:
    result = simmatch.step(given(torch.tensor(S)), FIRST_PASS)
    assert result.scalars["loss/instances"].item() == 0
    assert result.pseudo_labels is not None
    np.testing.assert_allclose(result.pseudo_labels.confidence, aligned().max(1), atol=1e-6)


def test_a_labeled_image_that_was_never_seen_has_no_say(simmatch: SimMatch) -> None:
    simmatch.memory_labels[2] = -1
    result = simmatch.step(given(torch.tensor(S)), SECOND_PASS)
    assert result.scalars["loss/instances"].item() == 0
