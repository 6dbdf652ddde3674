"""Barlow Twins' loss: worked numbers, a slow loop, lightly's loss, and the standard deviation that is mistaken."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from engine.methods.self_supervised.barlow_twins import BarlowTwins, barlow_twins_loss
from tests.oracle.fixtures_embeddings import A, B
from tests.oracle.fixtures_steps import FIRST_STEP, assert_moves_every_part, batch_of, built, random_views

RIGHT = 0.143298683034  # as the authors' code, with 1e-5 in the variances
WITHOUT_EPSILON = 0.143291887327
UNBIASED = 0.481455770758  # the paper's pseudo-code: standard deviations of N - 1, correlations divided by N


def slow(first: Tensor, second: Tensor, redundancy: float, epsilon: float, degrees: int) -> float:
    rows, dims = first.shape

    def standardized(columns: list[list[float]]) -> list[list[float]]:
        result = []
        for column in columns:
            mean = sum(column) / rows
            variance = sum((value - mean) ** 2 for value in column) / (rows - degrees)
            result.append([(value - mean) / (variance + epsilon) ** 0.5 for value in column])
        return result

    a, b = (standardized(each.T.tolist()) for each in (first, second))
    total = 0.0
    for i in range(dims):
        for j in range(dims):
            correlation = sum(x * y for x, y in zip(a[i], b[j], strict=True)) / rows
            total += (1 - correlation) ** 2 if i == j else redundancy * correlation**2
    return total


def test_the_loss_of_four_images_is_the_worked_number() -> None:
    assert barlow_twins_loss(A, B, 0.0051).item() == pytest.approx(RIGHT, abs=1e-11)
    assert slow(A, B, 0.0051, 1e-5, 0) == pytest.approx(RIGHT, abs=1e-11)
    assert slow(A, B, 0.0051, 0, 0) == pytest.approx(WITHOUT_EPSILON, abs=1e-11)


def test_the_unbiased_standard_deviation_is_noticed() -> None:
    assert slow(A, B, 0.0051, 0, 1) == pytest.approx(UNBIASED, abs=1e-11)
    assert abs(barlow_twins_loss(A, B, 0.0051).item() - UNBIASED) > 0.3
    # With it, views that are equal would still cost something on the diagonal.
    assert barlow_twins_loss(A, A, 0.0).item() == pytest.approx(0, abs=1e-9)
    assert slow(A, A, 0.0, 0, 1) == pytest.approx(3 * (1 - 3 / 4) ** 2, abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_the_loss_and_its_gradient_agree_with_lightly(seed: int) -> None:
    from lightly.loss import BarlowTwinsLoss

    chance = torch.Generator().manual_seed(seed)
    pair = [torch.randn(9, 5, generator=chance, dtype=torch.float64) for _ in range(2)]
    ours, theirs = ([each.clone().requires_grad_() for each in pair] for _ in range(2))
    loss, expected = barlow_twins_loss(ours[0], ours[1], 0.01), BarlowTwinsLoss(lambda_param=0.01)(*theirs)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-10)
    assert loss.item() == pytest.approx(slow(pair[0], pair[1], 0.01, 1e-5, 0), rel=1e-10)
    loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    expected.backward()
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.grad is not None
        assert other.grad is not None
        assert torch.allclose(mine.grad, other.grad, atol=1e-10)


def test_scale_and_place_of_a_dimension_do_not_matter() -> None:
    moved = 100 * A + torch.tensor([1.0, -2.0, 30.0], dtype=torch.float64)
    assert barlow_twins_loss(moved, B, 0.0051).item() == pytest.approx(WITHOUT_EPSILON, abs=1e-5)


def test_embeddings_that_are_all_equal_cost_as_much_as_there_are_dimensions() -> None:
    same = torch.ones(4, 3, dtype=torch.float64)
    assert barlow_twins_loss(same, same, 0.0051).item() == pytest.approx(3, abs=1e-9)


def test_a_step_costs_the_loss_of_its_two_embeddings_and_moves_every_part() -> None:
    method, first, second = built(BarlowTwins, redundancy=0.02), random_views(0), random_views(1)
    result = method.step(batch_of(first=first, second=second), FIRST_STEP)
    embedded = method.projection(method.backbone(torch.cat((first, second)))).detach().double()
    assert result.loss.item() == pytest.approx(slow(embedded[:6], embedded[6:], 0.02, 1e-5, 0), rel=1e-3)
    assert_moves_every_part(method, result.loss)
