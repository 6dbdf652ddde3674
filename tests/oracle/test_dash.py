"""Dash (Xu et al. 2021, algorithm 1) against the formula in numpy: warm-up, the falling threshold, soft then hard."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from engine.methods.base.context import StepContext
from engine.methods.base.method import GradientMethod
from tests.oracle.fixtures_logits import (
    CONFIDENCE,
    CROSS_ENTROPY,
    GUESS,
    LABELED,
    LABELED_LOSS,
    LABELS,
    STRONG,
    WEAK,
    batch,
    method,
    tensor,
)

Floats = NDArray[np.float64]
WARM_UP = StepContext(0, 0, 100)
COUNTS = {"labeled": 2, "unlabeled": 6}


def log_softmax(rows: list[list[float]]) -> Floats:
    logits = np.asarray(rows, dtype=np.float64)
    shares: Floats = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    return shares


def warmed_up(**params: Any) -> GradientMethod:
    """With ρ̂ = LABELED_LOSS, a warm-up of 10 of 100 steps and stretches of 10 steps."""
    built = method("dash", counts=COUNTS, warmup=0.1, stretch=0.1, **params).double()
    built.step(batch(tensor(WEAK), tensor(STRONG)), WARM_UP)
    return built


def expected_loss(limit: float, soft: bool) -> tuple[float, list[float]]:
    """L_u of the worked example, and which rows are used."""
    weak, strong = log_softmax(WEAK), log_softmax(STRONG)
    used = -weak.max(1) <= limit
    sharpened = np.exp(weak / 0.5)
    targets = sharpened / sharpened.sum(1, keepdims=True) if soft else np.eye(3)[weak.argmax(1)]
    return float((-(targets * strong).sum(1) * used).mean()), used.astype(float).tolist()


def test_the_warm_up_learns_from_labels_alone_and_takes_their_mean_loss() -> None:
    built = method("dash", counts=COUNTS, warmup=0.1).double()
    weak, strong = tensor(WEAK), tensor(STRONG)
    result = built.step(batch(weak, strong), WARM_UP)
    assert result.loss.item() == pytest.approx(LABELED_LOSS, abs=1e-6)
    assert result.scalars["mask_rate"].item() == 0
    result.loss.backward()  # type: ignore[no-untyped-call]
    for view in (weak, strong):
        assert view.grad is None or view.grad.abs().max().item() == 0
    of_each = -log_softmax(LABELED)[[0, 1], LABELS]
    np.testing.assert_allclose(built.get_buffer("losses"), of_each, atol=1e-7)


def test_every_labeled_image_counts_once_as_it_was_last_seen_and_only_in_the_warm_up() -> None:
    built = method("dash", counts={"labeled": 3, "unlabeled": 6}, warmup=0.1, scale=1.0).double()
    for step, rows in ((0, [0, 1]), (1, [2, 1]), (2, [1, 0])):
        given = batch(tensor(WEAK), tensor(STRONG), tensor([[step + 1.0, 0, 0], [0, step + 2.0, 0]]), [0, 0])
        given["labeled"].rows = torch.tensor(rows)
        built.step(given, StepContext(0, step, 20))  # the third is no warm-up
    last = [[1.0, 0, 0], [0, 3.0, 0], [2.0, 0, 0]]
    np.testing.assert_allclose(built.get_buffer("losses"), -log_softmax(last)[:, 0], atol=1e-7)


@pytest.mark.parametrize(("step", "falls"), [(10, 0), (19, 0), (20, 1), (39, 2), (40, 3)])
def test_the_threshold_falls_by_gamma_after_each_stretch(step: int, falls: int) -> None:
    built = warmed_up()
    result = built.step(batch(tensor(WEAK), tensor(STRONG)), StepContext(0, step, 100))
    limit = 1.0001 * 1.27**-falls * LABELED_LOSS  # C γ^-(t-1) ρ̂, with t - 1 = falls
    assert result.scalars["threshold/loss"].item() == pytest.approx(limit, abs=1e-6)
    assert result.scalars["threshold/mean"].item() == pytest.approx(np.exp(-limit), abs=1e-6)
    loss, used = expected_loss(limit, soft=True)
    assert result.scalars["loss/unlabeled"].item() == pytest.approx(loss, abs=1e-6)
    assert result.loss.item() == pytest.approx(LABELED_LOSS + loss, abs=1e-6)
    believed = result.pseudo_labels
    assert believed is not None
    assert believed.weight.tolist() == used
    assert believed.labels.tolist() == GUESS
    assert believed.confidence.tolist() == pytest.approx(CONFIDENCE, abs=1e-9)


def test_losses_are_those_against_the_arg_max_not_against_the_sharpened_prediction() -> None:
    """As in USB, where the sixth row, at a confidence of .6652, has a loss above 0.45."""
    weak = log_softmax(WEAK)
    sharpened = np.exp(weak / 0.5)
    theirs = -(sharpened / sharpened.sum(1, keepdims=True) * weak).sum(1)
    limit = 0.45
    assert (theirs <= limit).tolist() == [True, True, True, False, True, False]
    built = warmed_up(fall=1.0, scale=1.0)
    built.get_buffer("losses").fill_(limit)
    believed = built.step(batch(tensor(WEAK), tensor(STRONG)), StepContext(0, 10, 100)).pseudo_labels
    assert believed is not None
    assert believed.weight.tolist() == [1, 1, 1, 0, 1, 1]


def test_at_its_minimum_the_threshold_stays_and_labels_are_hard() -> None:
    result = warmed_up(least=0.05).step(batch(tensor(WEAK), tensor(STRONG)), StepContext(0, 99, 100))
    limit = max(1.0001 * 1.27**-8 * LABELED_LOSS, 0.05)
    assert limit > 0.05
    soft, _ = expected_loss(limit, soft=True)
    assert result.scalars["loss/unlabeled"].item() == pytest.approx(soft, abs=1e-6)
    late = warmed_up(least=0.05, fall=2.0).step(batch(tensor(WEAK), tensor(STRONG)), StepContext(0, 99, 100))
    assert late.scalars["threshold/loss"].item() == pytest.approx(0.05, abs=1e-6)
    hard, used = expected_loss(0.05, soft=False)
    assert used == [1, 0, 1, 0, 1, 0]  # a confidence of exp(-0.05) = .9512
    assert hard == pytest.approx(sum(CROSS_ENTROPY[row] for row in (0, 2, 4)) / 6, abs=1e-9)
    assert late.scalars["loss/unlabeled"].item() == pytest.approx(hard, abs=1e-6)


def test_the_gradient_reaches_used_strong_rows_and_no_weak_one() -> None:
    weak, strong = tensor(WEAK), tensor(STRONG)
    result = warmed_up(fall=2.0).step(batch(weak, strong), StepContext(0, 30, 100))
    result.loss.backward()  # type: ignore[no-untyped-call]
    assert weak.grad is None or weak.grad.abs().max().item() == 0
    assert strong.grad is not None
    used = [loss <= LABELED_LOSS / 4 for loss in -log_softmax(WEAK).max(1)]
    assert [bool(row.abs().max() > 0) for row in strong.grad] == used
    assert 0 < sum(used) < 6


def test_the_first_step_is_a_warm_up_of_however_short_a_run() -> None:
    built = method("dash", counts=COUNTS, warmup=0.01).double()
    built.step(batch(tensor(WEAK), tensor(STRONG)), StepContext(0, 0, 3))
    result = built.step(batch(tensor(WEAK), tensor(STRONG)), StepContext(0, 1, 3))
    assert result.scalars["threshold/loss"].item() > 0
