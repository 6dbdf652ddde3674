"""FreeMatch (Wang et al. 2023, eq. 5 to 11): self-adaptive thresholds and fairness of an example worked out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from engine.methods.base.context import StepContext
from engine.methods.base.method import GradientMethod
from engine.methods.semi_supervised.freematch import FreeMatch
from tests.oracle.fixtures_logits import STRONG, WEAK, batch, method, tensor

NOW = StepContext(0, 3, 10)


def halfway(**params: Any) -> GradientMethod:
    built = method("freematch", decay=0.9, **params).double()
    built.get_buffer("level").copy_(torch.tensor(0.948))
    built.get_buffer("average").copy_(torch.tensor([0.34, 0.40, 0.26], dtype=torch.float64))
    built.get_buffer("histogram").copy_(torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64))
    return built


def test_the_statistics_take_this_step_in_first() -> None:
    freematch = halfway()
    believed = freematch.step(batch(tensor(WEAK), tensor(STRONG)), NOW).pseudo_labels
    assert freematch.get_buffer("level").item() == pytest.approx(0.9353405638, abs=1e-7)
    average, histogram = [0.3472263436, 0.3932678042, 0.2595058522], [0.5, 0.3033333333, 0.1966666667]
    assert freematch.get_buffer("average").tolist() == pytest.approx(average, abs=1e-9)
    assert freematch.get_buffer("histogram").tolist() == pytest.approx(histogram, abs=1e-8)
    assert believed is not None
    assert believed.threshold is not None
    by_class = [0.8258364414, 0.9353405638, 0.6172037160]
    assert believed.threshold.tolist() == pytest.approx([by_class[k] for k in (0, 1, 2, 0, 0, 1)], abs=1e-7)
    # Thresholds of the step before would use rows 0, 2 and 4 alone.
    assert believed.weight.tolist() == [1, 1, 1, 0, 1, 0]


def test_the_losses_of_the_worked_example() -> None:
    result = halfway().step(batch(tensor(WEAK), tensor(STRONG)), NOW)
    assert result.scalars["loss/unlabeled"].item() == pytest.approx(0.3609190487, abs=1e-6)
    assert result.scalars["loss/fairness"].item() == pytest.approx(-1.0791739709, abs=1e-7)
    assert result.loss.item() == pytest.approx(1.5084234774, abs=1e-6)


def test_an_empty_class_of_the_strong_views_costs_a_constant() -> None:
    freematch = halfway()
    assert isinstance(freematch, FreeMatch)
    freematch.step(batch(tensor(WEAK), tensor(STRONG)), NOW)
    used = torch.tensor([True, True, False, False, False, False])
    assert freematch.fairness(tensor(STRONG), used).item() == pytest.approx(-11.4327876494, abs=1e-6)


def test_the_term_raises_classes_that_are_predicted_too_rarely() -> None:
    """Of mean probabilities p = (.605, .24, .155) with histogram (.8, .1, .1) and uniform statistics the gradient is
    (A - B) / p = (.285, -.736, .026): descent moves probability to the second class. The other sign would take it away.
    """
    rows = np.array([[0.7, 0.2, 0.1]] * 8 + [[0.3, 0.6, 0.1], [0.15, 0.2, 0.65]])
    mean, histogram = np.array([0.605, 0.24, 0.155]), np.array([0.8, 0.1, 0.1])
    ratio = mean / histogram
    slope = (1 / 3 - ratio / ratio.sum()) / mean
    assert slope == pytest.approx([0.285, -0.736, 0.026], abs=1e-3)
    logits = torch.tensor(np.log(rows), requires_grad=True)
    freematch = method("freematch").double()
    assert isinstance(freematch, FreeMatch)
    freematch.fairness(logits, torch.ones(10, dtype=torch.bool)).backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    np.testing.assert_allclose(logits.grad, rows * (slope - (rows * slope).sum(1, keepdims=True)) / 10, atol=1e-9)


def test_nothing_above_its_threshold_leaves_the_term_out() -> None:
    freematch = halfway()
    assert isinstance(freematch, FreeMatch)
    term = freematch.fairness(tensor(STRONG), torch.zeros(6, dtype=torch.bool))
    assert term.item() == 0


def test_gradient_reaches_strong_rows_in_use_and_no_weak_one() -> None:
    weak, strong = tensor(WEAK), tensor(STRONG)
    halfway().step(batch(weak, strong), NOW).loss.backward()  # type: ignore[no-untyped-call]
    assert weak.grad is None or weak.grad.abs().max().item() == 0
    assert strong.grad is not None
    assert [bool(row.abs().max() > 0) for row in strong.grad] == [True, True, True, False, True, False]
