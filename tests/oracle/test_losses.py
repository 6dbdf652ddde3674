"""The shared formulas against the same formulas as slow loops in float64, and against what can be worked out on
paper.
"""

from __future__ import annotations

import math

import pytest
import torch

from engine.errors import ShapeError
from engine.methods.base.context import StepContext
from engine.methods.parts.losses import linear_ramp, masked_cross_entropy
from tests.oracle.fixtures_logits import CROSS_ENTROPY, GUESS, LABELED_LOSS, STRONG, batch, method, tensor


def slow(logits: list[list[float]], labels: list[int], weight: list[float]) -> float:
    total = 0.0
    for row, label, share in zip(logits, labels, weight, strict=True):
        total += share * (math.log(sum(math.exp(value) for value in row)) - row[label])
    return total / len(logits)


def test_the_labeled_loss_is_the_mean_cross_entropy_of_the_labeled_rows() -> None:
    result = method("supervised").step(batch(tensor(STRONG)), StepContext(0, 0, 10))
    assert result.loss.item() == pytest.approx(LABELED_LOSS, abs=1e-9)
    assert result.scalars["loss/labeled"].item() == pytest.approx(LABELED_LOSS, abs=1e-9)


@pytest.mark.parametrize("row", range(6))
def test_one_used_row_costs_its_cross_entropy_over_the_length_of_the_batch(row: int) -> None:
    used = torch.arange(6) == row
    assert masked_cross_entropy(tensor(STRONG), torch.tensor(GUESS), used).item() == pytest.approx(
        CROSS_ENTROPY[row] / 6, abs=1e-6
    )


def test_any_weights_agree_with_a_slow_loop() -> None:
    chance = torch.Generator().manual_seed(3)
    for _ in range(20):
        logits = torch.randn(7, 4, generator=chance, dtype=torch.float64) * 5
        labels = torch.randint(0, 4, (7,), generator=chance)
        weight = torch.rand(7, generator=chance, dtype=torch.float64)
        expected = slow(logits.tolist(), labels.tolist(), weight.tolist())
        assert masked_cross_entropy(logits, labels, weight).item() == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_without_a_used_row_the_loss_and_its_gradient_are_zero() -> None:
    logits = tensor(STRONG)
    loss = masked_cross_entropy(logits, torch.tensor(GUESS), torch.zeros(6, dtype=torch.bool))
    loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    assert loss.item() == 0
    assert logits.grad is not None
    assert logits.grad.abs().max().item() == 0


def test_adding_the_same_number_to_all_logits_of_a_row_changes_nothing() -> None:
    used, labels = torch.ones(6), torch.tensor(GUESS)
    assert masked_cross_entropy(tensor(STRONG) + 1000, labels, used).item() == pytest.approx(
        masked_cross_entropy(tensor(STRONG), labels, used).item(), abs=1e-4
    )


def test_half_precision_logits_are_computed_in_float32() -> None:
    logits = torch.tensor([[40.0, 0.0]], dtype=torch.float16)
    loss = masked_cross_entropy(logits, torch.tensor([1]), torch.tensor([True]))
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(40, abs=1e-5)


def test_rows_that_do_not_match_are_refused() -> None:
    with pytest.raises(ShapeError) as refused:
        masked_cross_entropy(tensor(STRONG), torch.tensor(GUESS[:5]), torch.ones(4))
    assert str(refused.value) == "logits, labels and weight must have one length, but have 6, 5 and 4."


@pytest.mark.parametrize(
    ("progress", "end", "weight"),
    [
        (0.0, 0.4, 0.0),
        (0.1, 0.4, 0.25),
        (0.2, 0.4, 0.5),
        (0.4, 0.4, 1.0),
        (0.9, 0.4, 1.0),
        (0.5, 1.0, 0.5),
        (0.0, 0.0, 1.0),
        (0.7, 0.0, 1.0),
    ],
)
def test_the_ramp_rises_linearly_to_its_end_and_stays_there(progress: float, end: float, weight: float) -> None:
    assert linear_ramp(progress, end) == pytest.approx(weight, abs=1e-12)
