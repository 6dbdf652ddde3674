"""Pseudo-Label's step, thresholded as in Oliver et al. 2018, on logits for which everything was worked out by hand."""

from __future__ import annotations

import math

import pytest

from engine.methods.base.context import StepContext
from tests.oracle.fixtures_logits import CONFIDENCE, GUESS, LABELED_LOSS, WEAK, batch, method, tensor

USED = [1, 0, 1, 0, 1, 0]
UNLABELED_LOSS = 2 * (1.1652131455 - LABELED_LOSS)  # the worked example has weight one half


def test_the_loss_of_the_worked_example_at_half_the_ramp() -> None:
    # A fifth of the run: half the ramp.
    result = method("pseudo_label", threshold=0.95, ramp=0.4).step(batch(tensor(WEAK)), StepContext(0, 2, 10))
    assert result.scalars["loss/labeled"].item() == pytest.approx(LABELED_LOSS, abs=1e-6)
    assert result.scalars["loss/unlabeled"].item() == pytest.approx(UNLABELED_LOSS, abs=1e-6)
    assert result.loss.item() == pytest.approx(1.1652131455, abs=1e-6)
    assert result.scalars["mask_rate"].item() == 0.5


def test_a_row_costs_minus_the_logarithm_of_its_own_confidence() -> None:
    assert sum(-math.log(CONFIDENCE[row]) for row in range(6) if USED[row]) / 6 == pytest.approx(
        UNLABELED_LOSS, abs=1e-8
    )


@pytest.mark.parametrize(("step", "weight"), [(0, 0.0), (1, 0.25), (2, 0.5), (3, 0.75), (4, 1.0), (9, 1.0)])
def test_the_unlabeled_weight_rises_over_the_first_two_fifths_of_the_run(step: int, weight: float) -> None:
    result = method("pseudo_label", unlabeled_weight=3.0, ramp=0.4).step(batch(tensor(WEAK)), StepContext(0, step, 10))
    assert result.loss.item() == pytest.approx(LABELED_LOSS + 3 * weight * UNLABELED_LOSS, abs=1e-6)


def test_without_a_ramp_the_full_weight_counts_from_the_first_step() -> None:
    result = method("pseudo_label", ramp=0.0).step(batch(tensor(WEAK)), StepContext(0, 0, 10))
    assert result.loss.item() == pytest.approx(LABELED_LOSS + UNLABELED_LOSS, abs=1e-6)


def test_the_gradient_flows_through_the_view_that_made_the_label() -> None:
    weak = tensor(WEAK)
    loss = method("pseudo_label", threshold=0.95, ramp=0.4).step(batch(weak), StepContext(0, 2, 10)).loss
    loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    assert weak.grad is not None
    for row in range(6):
        shares = [math.exp(value) / sum(map(math.exp, WEAK[row])) for value in WEAK[row]]
        expected = [USED[row] * 0.5 * (share - (k == GUESS[row])) / 6 for k, share in enumerate(shares)]
        assert weak.grad[row].tolist() == pytest.approx(expected, abs=1e-8)


def test_a_guess_exactly_at_the_threshold_is_used() -> None:
    result = method("pseudo_label", classes=2, threshold=0.5, ramp=0.0).step(
        batch(tensor([[0, 0]]), None, tensor([[0, 0]]), [0]), StepContext(0, 0, 10)
    )
    assert result.scalars["mask_rate"].item() == 1
    assert result.scalars["loss/unlabeled"].item() == pytest.approx(math.log(2), abs=1e-6)


def test_what_it_believed_is_reported_row_by_row() -> None:
    believed = method("pseudo_label", threshold=0.95).step(batch(tensor(WEAK)), StepContext(0, 0, 10)).pseudo_labels
    assert believed is not None
    assert believed.labels.tolist() == GUESS
    assert believed.confidence.tolist() == pytest.approx(CONFIDENCE, abs=1e-9)
    assert believed.weight.tolist() == USED
