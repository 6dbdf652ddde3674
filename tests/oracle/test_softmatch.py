"""SoftMatch (Chen et al. 2023, algorithm 1): statistics, weights and loss of an example worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from engine.methods.base.context import StepContext
from engine.methods.base.method import GradientMethod
from tests.oracle.fixtures_logits import GUESS, STRONG, WEAK, batch, method, tensor

NOW = StepContext(0, 3, 10)


def halfway(**params: Any) -> GradientMethod:
    built = method("softmatch", decay=0.9, **params).double()
    built.get_buffer("mean").fill_(0.95)
    built.get_buffer("variance").fill_(0.09)
    built.get_buffer("average").copy_(torch.tensor([0.4, 0.35, 0.25], dtype=torch.float64))
    return built


def test_statistics_weights_and_loss_of_the_worked_example() -> None:
    softmatch = halfway()
    result = softmatch.step(batch(tensor(WEAK), tensor(STRONG)), NOW)
    # Of the confidences before alignment: aligned first, as USB does, they would be .9353 and .0878.
    assert softmatch.get_buffer("mean").item() == pytest.approx(0.9371405638, abs=1e-9)
    assert softmatch.get_buffer("variance").item() == pytest.approx(0.0866907333, abs=1e-9)
    believed = result.pseudo_labels
    assert believed is not None
    assert believed.weight.tolist() == pytest.approx([1, 0.9999778072, 1, 0.0004118740, 1, 0.0897746255], abs=1e-7)
    assert result.scalars["loss/unlabeled"].item() == pytest.approx(0.3706505186, abs=1e-6)
    assert result.loss.item() == pytest.approx(1.5289466870, abs=1e-6)


def test_the_label_is_that_of_the_raw_prediction() -> None:
    """Aligned, the fourth row would be class 2, and the loss .3706642477."""
    believed = halfway().step(batch(tensor(WEAK), tensor(STRONG)), NOW).pseudo_labels
    assert believed is not None
    assert believed.labels.tolist() == GUESS


def test_a_wider_gaussian_gives_more_weight() -> None:
    believed = halfway(width=1.0).step(batch(tensor(WEAK), tensor(STRONG)), NOW).pseudo_labels
    assert believed is not None
    assert believed.weight[[3, 5]].tolist() == pytest.approx([0.1424593937, 0.5473793386], abs=1e-7)


def test_one_unlabeled_image_leaves_the_spread_as_it_is() -> None:
    softmatch = halfway()
    softmatch.step(batch(tensor(WEAK[:1]), tensor(STRONG[:1])), NOW)
    assert softmatch.get_buffer("variance").item() == pytest.approx(0.09, abs=1e-12)


def test_the_gradient_reaches_every_strong_row_and_no_weak_one() -> None:
    weak, strong = tensor(WEAK), tensor(STRONG)
    halfway().step(batch(weak, strong), NOW).loss.backward()  # type: ignore[no-untyped-call]
    assert weak.grad is None or weak.grad.abs().max().item() == 0
    assert strong.grad is not None
    assert all(bool(row.abs().max() > 0) for row in strong.grad)
