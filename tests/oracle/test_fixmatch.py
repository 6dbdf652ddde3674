"""FixMatch's step (Sohn et al. 2020, eq. 3 and 4) on logits for which loss, mask and gradient were worked out by
hand.
"""

from __future__ import annotations

import math

import pytest
import torch

from engine.methods.base.context import StepContext
from tests.oracle.fixtures_logits import (
    CONFIDENCE,
    CROSS_ENTROPY,
    GUESS,
    LABELED_LOSS,
    STRONG,
    WEAK,
    batch,
    method,
    tensor,
)

NOW = StepContext(0, 3, 10)


def test_the_loss_of_the_worked_example() -> None:
    result = method("fixmatch", threshold=0.95).step(batch(tensor(WEAK), tensor(STRONG)), NOW)
    assert result.scalars["loss/labeled"].item() == pytest.approx(LABELED_LOSS, abs=1e-6)
    # .5670485026 would be the mean over the selected rows.
    assert result.scalars["loss/unlabeled"].item() == pytest.approx(0.2835242513, abs=1e-6)
    assert result.loss.item() == pytest.approx(1.4418204198, abs=1e-6)
    assert result.scalars["mask_rate"].item() == 0.5


def test_the_pseudo_labels_are_the_weak_views_confident_guesses() -> None:
    believed = method("fixmatch", threshold=0.95).step(batch(tensor(WEAK), tensor(STRONG)), NOW).pseudo_labels
    assert believed is not None
    assert believed.ids.tolist() == [100, 101, 102, 103, 104, 105]
    assert believed.labels.tolist() == GUESS
    assert believed.confidence.tolist() == pytest.approx(CONFIDENCE, abs=1e-9)
    assert believed.weight.tolist() == [1, 0, 1, 0, 1, 0]
    assert believed.threshold is not None
    assert believed.threshold.tolist() == pytest.approx([0.95] * 6)


def test_the_gradient_reaches_the_strong_logits_of_used_rows_and_nothing_else_of_the_unlabeled_part() -> None:
    weak, strong = tensor(WEAK), tensor(STRONG)
    loss = method("fixmatch", threshold=0.95).step(batch(weak, strong), NOW).loss
    loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    assert weak.grad is None or weak.grad.abs().max().item() == 0
    assert strong.grad is not None
    assert strong.grad[0].tolist() == pytest.approx([-0.0557931740, 0.0407880785, 0.0150050955], abs=1e-8)
    for row in (1, 3, 5):
        assert strong.grad[row].tolist() == [0, 0, 0]
    for row in (0, 2, 4):  # (softmax - one-hot) / 6
        shares = [math.exp(value) / sum(map(math.exp, STRONG[row])) for value in STRONG[row]]
        assert strong.grad[row].tolist() == pytest.approx(
            [(share - (k == GUESS[row])) / 6 for k, share in enumerate(shares)], abs=1e-8
        )


def test_the_weight_scales_the_unlabeled_loss_alone() -> None:
    doubled = method("fixmatch", threshold=0.95, unlabeled_weight=2.0).step(batch(tensor(WEAK), tensor(STRONG)), NOW)
    without = method("fixmatch", threshold=0.95, unlabeled_weight=0.0).step(batch(tensor(WEAK), tensor(STRONG)), NOW)
    assert doubled.loss.item() == pytest.approx(LABELED_LOSS + 2 * 0.2835242513, abs=1e-6)
    assert without.loss.item() == pytest.approx(LABELED_LOSS, abs=1e-6)
    assert without.scalars["loss/unlabeled"].item() == pytest.approx(0.2835242513, abs=1e-6)


@pytest.mark.parametrize(
    ("threshold", "used"),
    [
        (0.0, [1, 1, 1, 1, 1, 1]),
        (0.5, [1, 1, 1, 0, 1, 1]),
        (0.9441, [1, 0, 1, 0, 1, 0]),
        (0.98, [1, 0, 0, 0, 0, 0]),
        (1.0, [0] * 6),
    ],
)
def test_every_threshold_keeps_the_rows_at_or_above_it(threshold: float, used: list[int]) -> None:
    result = method("fixmatch", threshold=threshold).step(batch(tensor(WEAK), tensor(STRONG)), NOW)
    assert result.pseudo_labels is not None
    assert result.pseudo_labels.weight.tolist() == used
    assert result.scalars["loss/unlabeled"].item() == pytest.approx(
        sum(c for c, u in zip(CROSS_ENTROPY, used, strict=True) if u) / 6, abs=1e-6
    )


def test_a_guess_exactly_at_the_threshold_is_used() -> None:
    weak, strong = tensor([[0, 0]]), tensor([[0, 0]])  # a confidence of exactly one half; the strong view costs ln 2
    result = method("fixmatch", classes=2, threshold=0.5).step(batch(weak, strong, tensor([[0, 0]]), [0]), NOW)
    assert result.scalars["mask_rate"].item() == 1
    assert result.scalars["loss/unlabeled"].item() == pytest.approx(math.log(2), abs=1e-6)


def test_the_order_of_the_rows_does_not_matter() -> None:
    order = torch.tensor([5, 2, 0, 4, 1, 3])
    result = method("fixmatch").step(batch(tensor(WEAK)[order], tensor(STRONG)[order]), NOW)
    assert result.loss.item() == pytest.approx(1.4418204198, abs=1e-6)


def test_distribution_alignment_of_the_worked_example(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.methods.semi_supervised.fixmatch.ALIGNMENT_DECAY", 0.9)
    aligned = method("fixmatch", threshold=0.95, distribution_alignment=True).double()
    aligned.get_buffer("average").copy_(torch.tensor([0.4, 0.35, 0.25]))
    result = aligned.step(batch(tensor(WEAK), tensor(STRONG)), NOW)
    believed = result.pseudo_labels
    assert believed is not None
    # This batch is taken in first.
    assert aligned.get_buffer("average").tolist() == pytest.approx([0.4012263436, 0.3482678042, 0.2505058522], abs=1e-8)
    assert believed.confidence.tolist() == pytest.approx(
        [0.9817835287, 0.9361597656, 0.9835785195, 0.3558762820, 0.9471524004, 0.6139038622], abs=1e-7
    )
    # The fourth guess changes its mind: class 0 is guessed too often.
    assert believed.labels.tolist() == [
        0,
        1,
        2,
        2,
        0,
        1,
    ]
    assert believed.weight.tolist() == [1, 0, 1, 0, 0, 0]
    assert result.scalars["loss/unlabeled"].item() == pytest.approx(0.1931644431, abs=1e-6)


def test_without_alignment_the_average_stays_where_it_began() -> None:
    plain = method("fixmatch").double()
    plain.step(batch(tensor(WEAK), tensor(STRONG)), NOW)
    assert plain.get_buffer("average").tolist() == pytest.approx([1 / 3] * 3)
