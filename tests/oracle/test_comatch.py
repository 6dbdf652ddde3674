"""CoMatch (Li et al. 2021, section 3) against the formula in numpy: smoothing by memory, the graph, both losses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from engine.methods.base.batch import Batch, StreamBatch
from engine.methods.base.context import StepContext
from engine.methods.semi_supervised.comatch import CoMatch, graph, graph_contrast
from tests.oracle.fixtures_logits import method

Floats = NDArray[np.float64]
NOW = StepContext(0, 2, 10)
RNG = np.random.default_rng(5)
FEATURES = 4
X, W, S = RNG.normal(size=(2, FEATURES)), 3 * RNG.normal(size=(6, FEATURES)), RNG.normal(size=(2, 6, FEATURES))
MATRIX, PROJECTION = RNG.normal(size=(FEATURES, 3)), RNG.normal(size=(FEATURES, 5))


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


def given(strong: Tensor) -> Batch:
    six = torch.arange(6)
    return {
        "labeled": StreamBatch(six[:2], six[:2], torch.tensor([1, 2]), {"weak": torch.tensor(X)}),
        "unlabeled": StreamBatch(six, six, None, {"weak": torch.tensor(W), "strong": strong}),
    }


@pytest.fixture
def comatch() -> CoMatch:
    built = method("comatch", threshold=0.75, graph_threshold=0.5, smoothing=0.7, projection_size=5, memory=1).double()
    assert isinstance(built, CoMatch)
    built.classifier = LinearModel()  # type: ignore[assignment]
    projection = nn.Linear(FEATURES, 5, bias=False)
    projection.weight.data = torch.tensor(PROJECTION.T)
    built.projection = projection  # type: ignore[assignment]
    return built


@pytest.mark.parametrize("is_full", [False, True])
def test_the_step_of_the_formula(comatch: CoMatch, is_full: bool) -> None:
    rows = len(comatch.labels.rows)
    bank, labels = unit(RNG.normal(size=(rows, 5))), softmax(RNG.normal(size=(rows, 3)))
    comatch.embeddings.rows.copy_(torch.tensor(bank))
    comatch.labels.rows.copy_(torch.tensor(labels))
    comatch.stored.fill_(rows if is_full else 0)
    strong = torch.tensor(S, requires_grad=True)
    result = comatch.step(given(strong), NOW)

    own = softmax(W @ MATRIX)
    own = own / ((31 / 3 + own.mean(0)) / 32)
    own /= own.sum(1, keepdims=True)
    near = softmax(unit(W @ PROJECTION) @ bank.T / 0.2)
    soft = 0.7 * own + 0.3 * near @ labels if is_full else own
    used = soft.max(1) >= 0.75
    loss_x = -np.log(softmax(X @ MATRIX))[[0, 1], [1, 2]].mean()
    loss_u = (-(soft * np.log(softmax(S[0] @ MATRIX))).sum(1) * used).mean()
    edges = soft @ soft.T
    np.fill_diagonal(edges, 1)
    edges = np.where(edges >= 0.5, edges, 0)
    edges /= edges.sum(1, keepdims=True)
    similar = softmax(unit(S[0] @ PROJECTION) @ unit(S[1] @ PROJECTION).T / 0.2)
    loss_c = -(edges * np.log(similar)).sum(1).mean()

    assert 0 < used.sum() < 6
    assert result.scalars["loss/labeled"].item() == pytest.approx(loss_x, abs=1e-6)
    assert result.scalars["loss/unlabeled"].item() == pytest.approx(loss_u, abs=1e-6)
    assert result.scalars["loss/contrast"].item() == pytest.approx(loss_c, abs=1e-5)
    assert result.loss.item() == pytest.approx(loss_x + loss_u + loss_c, abs=1e-5)
    # The bank holds labels before smoothing, or the smoothing would feed on itself.
    kept = comatch.labels.rows[:6].numpy()
    np.testing.assert_allclose(kept, own, atol=1e-9)
    assert comatch.labels.rows[6:8].argmax(1).tolist() == [1, 2]
    result.loss.backward()  # type: ignore[no-untyped-call]
    assert strong.grad is not None
    assert all(bool(view.abs().max() > 0) for view in strong.grad)


def test_images_that_agree_with_none_find_themselves() -> None:
    soft = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]])
    np.testing.assert_allclose(graph(soft, 0.8), np.eye(3), atol=1e-12)
    together = graph(torch.tensor([[1.0, 0.0], [0.9, 0.1]]), 0.8)
    np.testing.assert_allclose(together, [[1 / 1.9, 0.9 / 1.9], [0.9 / 1.9, 1 / 1.9]], atol=1e-6)


def test_without_edges_between_images_the_contrast_is_infonce() -> None:
    first, second = (F.normalize(torch.tensor(rows)) for rows in S)
    expected = F.cross_entropy(first @ second.T / 0.5, torch.arange(6))
    assert graph_contrast(first, second, torch.eye(6), 0.5).item() == pytest.approx(expected.item(), abs=1e-6)
