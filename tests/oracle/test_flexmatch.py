"""FlexMatch (Zhang et al. 2021, algorithm 1): thresholds, mask, loss and marks of an example worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from engine.methods.base.batch import Batch
from engine.methods.base.context import StepContext
from engine.methods.base.method import GradientMethod
from tests.oracle.fixtures_logits import STRONG, WEAK, batch, method, tensor

NOW = StepContext(0, 3, 10)
MARKS = [0, 0, 0, 1, 1, 1, -1, -1, -1, -1]


def marked(**params: Any) -> GradientMethod:
    built = method("flexmatch", counts={"unlabeled": 10}, threshold=0.95, **params)
    built.get_buffer("marks").copy_(torch.tensor(MARKS))
    return built


def six_rows() -> Batch:
    given = batch(tensor(WEAK), tensor(STRONG))
    given["unlabeled"].rows = torch.arange(3, 9)
    return given


def test_thresholds_mask_and_loss_of_the_worked_example() -> None:
    result = marked().step(six_rows(), NOW)
    believed = result.pseudo_labels
    assert believed is not None
    assert believed.threshold is not None
    # By predicted class 0 1 2 0 0 1: .57, .57 and, for the class without a mark, 0.
    assert believed.threshold.tolist() == pytest.approx([0.57, 0.57, 0, 0.57, 0.57, 0.57], abs=1e-6)
    assert believed.weight.tolist() == [1, 1, 1, 0, 1, 1]
    assert result.scalars["loss/unlabeled"].item() == pytest.approx(0.4685709429, abs=1e-6)
    assert result.loss.item() == pytest.approx(1.6268671113, abs=1e-6)


def test_marks_are_overwritten_by_predictions_above_the_fixed_threshold_and_count_in_the_next_step() -> None:
    flexmatch = marked()
    flexmatch.step(six_rows(), NOW)
    # Row 6 was used at its own low threshold, but is not above .95: it gets no mark.
    assert flexmatch.get_buffer("marks").tolist() == [0, 0, 0, 0, 1, 2, -1, 0, -1, -1]
    believed = flexmatch.step(six_rows(), NOW).pseudo_labels
    assert believed is not None
    assert believed.threshold is not None
    low = 0.1055555556
    assert believed.threshold.tolist() == pytest.approx([0.95, low, low, 0.95, 0.95, low], abs=1e-6)


def test_without_warmup_the_most_frequent_class_has_the_full_threshold() -> None:
    result = marked(warmup=False).step(six_rows(), NOW)
    assert result.pseudo_labels is not None
    assert result.pseudo_labels.weight.tolist() == [1, 0, 1, 0, 1, 0]
    assert result.scalars["loss/unlabeled"].item() == pytest.approx(0.2835242513, abs=1e-6)


def test_at_the_start_every_prediction_is_used() -> None:
    result = method("flexmatch", counts={"unlabeled": 6}).step(batch(tensor(WEAK), tensor(STRONG)), NOW)
    assert result.scalars["mask_rate"].item() == 1


def test_the_gradient_reaches_used_strong_rows_alone() -> None:
    weak, strong = tensor(WEAK), tensor(STRONG)
    given = batch(weak, strong)
    given["unlabeled"].rows = torch.arange(3, 9)
    marked().step(given, NOW).loss.backward()  # type: ignore[no-untyped-call]
    assert weak.grad is None or weak.grad.abs().max().item() == 0
    assert strong.grad is not None
    assert [bool(row.abs().max() > 0) for row in strong.grad] == [True, True, True, False, True, True]
