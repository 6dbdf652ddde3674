"""ReMixMatch (Berthelot et al. 2020, algorithm 1 and eq. 1) against the formula in numpy, on a linear model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from engine.methods.base.batch import StreamBatch
from engine.methods.base.context import StepContext
from engine.methods.parts.rotations import rotated
from engine.methods.semi_supervised.remixmatch import ReMixMatch
from tests.oracle.fixtures_logits import method

Floats = NDArray[np.float64]
NOW = StepContext(0, 2, 10)
RNG = np.random.default_rng(11)
MATRIX, TURNS = RNG.normal(size=(4, 3)), RNG.normal(size=(4, 4))
X, W, S = (RNG.normal(size=shape) for shape in ((2, 1, 2, 2), (3, 1, 2, 2), (2, 3, 1, 2, 2)))
ORDER = [4, 0, 7, 1, 10, 2, 3, 9, 5, 6, 8]
SHARE = RNG.random(11)


class LinearModel(nn.Module):
    """Features are the pixels, logits a matrix of them."""

    def __init__(self) -> None:
        super().__init__()
        self.matrix = nn.Parameter(torch.tensor(MATRIX))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return images.flatten(1), images.flatten(1) @ self.matrix

    def logits(self, *views: Tensor) -> list[Tensor]:
        return [view.flatten(1) @ self.matrix for view in views]


def softmax(rows: Any) -> Floats:
    powers = np.exp(np.asarray(rows))
    shares: Floats = powers / powers.sum(1, keepdims=True)
    return shares


def test_the_four_losses(monkeypatch: pytest.MonkeyPatch) -> None:
    where = "engine.methods.semi_supervised.remixmatch"
    monkeypatch.setattr(f"{where}.permutation", lambda *_: torch.tensor(ORDER))
    monkeypatch.setattr(f"{where}.beta", lambda *_: torch.tensor(SHARE))
    built = method("remixmatch", temperature=0.5, strong_views=2, ramp=0.4).double()
    assert isinstance(built, ReMixMatch)
    built.classifier = LinearModel()  # type: ignore[assignment]
    built.rotations = nn.Linear(4, 4, bias=False).double()
    with torch.no_grad():
        built.rotations.weight.copy_(torch.tensor(TURNS.T))
    seen = np.array([0.5, 0.3, 0.2])
    built.unlabeled_average.rows.copy_(torch.tensor(seen).expand(128, 3))
    built.labeled_average.copy_(torch.tensor([0.2, 0.4, 0.4]))
    three = torch.arange(3)
    result = built.step(
        {
            "labeled": StreamBatch(three[:2], three[:2], torch.tensor([2, 0]), {"strong": torch.tensor(X)}),
            "unlabeled": StreamBatch(three, three, None, {"weak": torch.tensor(W), "strong": torch.tensor(S)}),
        },
        NOW,
    )

    aligned = softmax(W.reshape(3, 4) @ MATRIX) * (np.array([0.2, 0.4, 0.4]) + 1e-6) / (seen + 1e-6)
    aligned /= aligned.sum(1, keepdims=True)
    target = aligned**2 / (aligned**2).sum(1, keepdims=True)
    images = np.concatenate((X, S[0], S[1], W)).reshape(-1, 4)
    wanted = np.concatenate((np.eye(3)[[2, 0]], target, target, target))
    share = np.maximum(SHARE, 1 - SHARE)[:, None]
    mixed, soft = (share * of + (1 - share) * of[ORDER] for of in (images, wanted))
    losses = -(soft * np.log(softmax(mixed @ MATRIX))).sum(1)
    anchored = -(target * np.log(softmax(S[0].reshape(3, 4) @ MATRIX))).sum(1).mean()
    turns = torch.randint(4, (3,), generator=NOW.rng("turns")).tolist()
    turned = np.stack([np.rot90(image[0], turn).reshape(4) for image, turn in zip(S[0], turns, strict=True)])
    rotation = -np.log(softmax(turned @ TURNS))[np.arange(3), turns].mean()

    assert result.scalars["loss/labeled"].item() == pytest.approx(losses[:2].mean(), abs=1e-6)
    assert result.scalars["loss/unlabeled"].item() == pytest.approx(losses[2:].mean(), abs=1e-6)
    assert result.scalars["loss/rotation"].item() == pytest.approx(rotation, abs=1e-6)
    # A fifth of the run is half of the ramp; rotations have their whole weight from the start.
    total = losses[:2].mean() + 0.5 * (1.5 * losses[2:].mean() + 0.5 * anchored) + 0.5 * rotation
    assert result.loss.item() == pytest.approx(total, abs=1e-6)
    # This step's predictions, before alignment's target moves them again, count from the next step on.
    mean = softmax(W.reshape(3, 4) @ MATRIX).mean(0)
    assert built.unlabeled_average().tolist() == pytest.approx(((127 * seen + mean) / 128).tolist(), abs=1e-9)
    result.loss.backward()  # type: ignore[no-untyped-call]
    assert built.rotations.weight.grad is not None
    assert built.rotations.weight.grad.abs().max().item() > 1e-4


def test_each_image_is_turned_by_its_own_number_of_quarters() -> None:
    images = torch.arange(8.0).view(2, 1, 2, 2)
    turned = rotated(images, torch.tensor([0, 3]))
    assert turned[0].tolist() == images[0].tolist()
    assert turned[1].tolist() == np.rot90(images[1].numpy(), 3, (1, 2)).tolist()
