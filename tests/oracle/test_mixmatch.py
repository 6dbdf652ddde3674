"""MixMatch (Berthelot et al. 2019, algorithm 1): targets, mixes and losses of a linear model worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from engine.methods.base.batch import Batch, StreamBatch
from engine.methods.base.context import StepContext
from engine.methods.base.method import GradientMethod
from engine.methods.parts.mixing import mix_up, sharpen
from tests.oracle.fixtures_logits import method

MATRIX = [[1, -0.5, 0.2], [0.3, 0.8, -0.6]]
LABELED = [[1.0, 0.0], [0.0, 1.0]]
VIEWS = [[[0.5, 0.5], [-1.0, 0.5]], [[0.6, 0.4], [-0.8, 0.7]]]
ORDER = [3, 0, 5, 1, 2, 4]
SHARE = [0.9, 0.3, 0.6, 0.75, 0.2, 0.55]
MEAN = [[0.5051239319, 0.2778647261, 0.2170113420], [0.1355599622, 0.7024972519, 0.1619427860]]
SHARPENED = [[0.6724159346, 0.2034740094, 0.1241100560], [0.0341504451, 0.9171127894, 0.0487367655]]
HALF_RAMP = StepContext(0, 2, 10)  # a fifth of the run, half of a ramp of .4


class LinearModel(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.matrix = nn.Parameter(torch.tensor(MATRIX, dtype=torch.float64))
        self.seen: list[Tensor] = []

    def logits(self, *views: Tensor) -> list[Tensor]:
        self.seen = list(views)
        return [view @ self.matrix for view in views]


def given() -> Batch:
    two = torch.arange(2)
    views = torch.tensor(VIEWS, dtype=torch.float64)
    return {
        "labeled": StreamBatch(two, two, torch.tensor([0, 1]), {"weak": torch.tensor(LABELED, dtype=torch.float64)}),
        "unlabeled": StreamBatch(two + 10, two, None, {"weak": views}),
    }


@pytest.fixture
def mixmatch(monkeypatch: pytest.MonkeyPatch) -> GradientMethod:
    where = "engine.methods.semi_supervised.mixmatch"
    monkeypatch.setattr(f"{where}.permutation", lambda *_: torch.tensor(ORDER))
    monkeypatch.setattr(f"{where}.beta", lambda *_: torch.tensor(SHARE, dtype=torch.float64))
    built = method("mixmatch", temperature=0.5, unlabeled_weight=75.0, ramp=0.4)
    built.classifier = LinearModel()
    return built


def test_targets_are_the_sharpened_mean_over_views() -> None:
    np.testing.assert_allclose(sharpen(torch.tensor(MEAN, dtype=torch.float64), 0.5), SHARPENED, atol=1e-9)


def test_each_pair_keeps_at_least_half_of_itself(mixmatch: GradientMethod) -> None:
    mixmatch.step(given(), HALF_RAMP)
    assert isinstance(mixmatch.classifier, LinearModel)
    (mixed,) = mixmatch.classifier.seen
    wanted = [[0.8, 0.05], [0.3, 0.7], [-0.02, 0.58], [-0.75, 0.625], [0.58, 0.42], [-0.17, 0.565]]
    np.testing.assert_allclose(mixed.detach(), wanted, atol=1e-12)


def test_the_losses_of_the_worked_example(mixmatch: GradientMethod) -> None:
    result = mixmatch.step(given(), HALF_RAMP)
    assert result.scalars["loss/labeled"].item() == pytest.approx(0.8096155516, abs=1e-6)
    # .0464857626 would be the sum over classes.
    assert result.scalars["loss/unlabeled"].item() == pytest.approx(0.0154952542, abs=1e-9)
    assert result.loss.item() == pytest.approx(1.3906875838, abs=1e-6)
    assert result.pseudo_labels is not None
    assert result.pseudo_labels.confidence.tolist() == pytest.approx(
        [row[k] for row, k in zip(MEAN, (0, 1), strict=True)]
    )


def test_the_targets_carry_no_gradient(mixmatch: GradientMethod) -> None:
    """With the targets fixed, the gradient is that of the mixed batch alone; written out in numpy."""
    result = mixmatch.step(given(), StepContext(0, 9, 10))
    result.loss.backward()  # type: ignore[no-untyped-call]
    images = np.concatenate((LABELED, *VIEWS))
    wanted = np.concatenate((np.eye(3)[:2], SHARPENED, SHARPENED))
    share = np.maximum(SHARE, 1 - np.array(SHARE))[:, None]
    mixed, target = (share * of + (1 - share) * of[ORDER] for of in (images, wanted))
    powers = np.exp(mixed @ np.array(MATRIX))
    p = powers / powers.sum(1, keepdims=True)
    labeled = (p - target)[:2] / 2
    toward = 2 * 75 * (p - target)[2:] / 12
    unlabeled = p[2:] * (toward - (toward * p[2:]).sum(1, keepdims=True))
    expected = mixed.T @ np.concatenate((labeled, unlabeled))
    assert isinstance(mixmatch.classifier, LinearModel)
    assert mixmatch.classifier.matrix.grad is not None
    np.testing.assert_allclose(mixmatch.classifier.matrix.grad, expected, atol=1e-6)


def test_one_share_for_all_or_one_for_each() -> None:
    rows, order = torch.tensor([[0.0], [1.0]]), torch.tensor([1, 0])
    assert mix_up(rows, order, torch.tensor([0.25])).tolist() == [[0.75], [0.25]]
    assert mix_up(rows, order, torch.tensor([0.25, 1.0])).tolist() == [[0.75], [1.0]]
