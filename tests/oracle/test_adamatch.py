"""AdaMatch (Berthelot et al. 2022, section 3) against the formula in numpy: interpolated logits, alignment, a relative
threshold.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.methods.base.context import StepContext
from engine.methods.semi_supervised.adamatch import AdaMatch
from tests.oracle.fixtures_logits import LABELED, LABELS, STRONG, WEAK, AsGiven, batch, method, tensor

NOW = StepContext(0, 2, 10)
ALONE = 0.5
Floats = NDArray[np.float64]


class BesideOthers(AsGiven):
    """Logits of labeled images seen alone are half of those beside unlabeled ones: as batch norm would make them."""

    def logits(self, *views: Tensor) -> list[Tensor]:
        return [ALONE * view for view in views] if len(views) == 2 else list(views)


def softmax(rows: Any) -> Floats:
    powers = np.exp(np.asarray(rows, np.float64))
    shares: Floats = powers / powers.sum(1, keepdims=True)
    return shares


def test_the_step_of_the_formula() -> None:
    built = method("adamatch", threshold=1.0, ramp=0.5, decay=0.9, unlabeled_weight=2.0).double()
    assert isinstance(built, AdaMatch)
    built.classifier = BesideOthers()  # type: ignore[assignment]
    built.labeled_average.copy_(torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64))
    built.unlabeled_average.rows.copy_(torch.tensor([0.3, 0.3, 0.4], dtype=torch.float64).expand(128, 3))
    weak, strong = tensor(WEAK), tensor(STRONG)
    given = batch(weak, strong)
    labeled_strong = [[1.0, 0.2, 0.1], [0.0, 0.3, 0.9]]
    given["labeled"].views["strong"] = tensor(labeled_strong)
    result = built.step(given, NOW)

    both = np.concatenate((LABELED, labeled_strong))
    shares = torch.rand((4, 3), generator=NOW.rng("interpolation"), dtype=torch.float64).numpy()
    logits = both + (ALONE * both - both) * shares
    loss_x = -np.log(softmax(logits))[np.arange(4), LABELS * 2].mean()
    labeled = softmax(logits[:2])
    threshold = 1.0 * labeled.max(1).mean()
    wanted = 0.9 * np.array([0.5, 0.3, 0.2]) + 0.1 * labeled.mean(0)
    seen = (127 * np.array([0.3, 0.3, 0.4]) + softmax(WEAK).mean(0)) / 128
    aligned = softmax(WEAK) * (wanted + 1e-6) / (seen + 1e-6)
    aligned /= aligned.sum(1, keepdims=True)
    used = aligned.max(1) >= threshold
    loss_u = (-np.log(softmax(STRONG))[np.arange(6), aligned.argmax(1)] * used).mean()

    assert 0 < used.sum() < 6
    assert result.scalars["loss/labeled"].item() == pytest.approx(loss_x, abs=1e-9)
    assert result.scalars["loss/unlabeled"].item() == pytest.approx(loss_u, abs=1e-6)
    assert result.scalars["threshold/mean"].item() == pytest.approx(threshold, abs=1e-9)
    grown = (1 - np.cos(np.pi * 0.4)) / 2
    assert result.loss.item() == pytest.approx(loss_x + 2 * grown * loss_u, abs=1e-6)
    assert result.pseudo_labels is not None
    assert result.pseudo_labels.weight.tolist() == used.tolist()
    result.loss.backward()  # type: ignore[no-untyped-call]
    assert weak.grad is None or weak.grad.abs().max().item() == 0
    assert strong.grad is not None
    assert [bool(row.abs().max() > 0) for row in strong.grad] == used.tolist()


def test_both_views_of_labeled_images_are_asked_for() -> None:
    streams = method("adamatch").streams()
    assert set(streams["labeled"].views) == set(streams["unlabeled"].views) == {"weak", "strong"}
