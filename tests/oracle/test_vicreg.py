"""VICReg's three terms: worked numbers, a slow loop, lightly's loss, and the two other published scales."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from engine.methods.self_supervised.vicreg import VICReg, vicreg_terms
from tests.oracle.fixtures_embeddings import A, B
from tests.oracle.fixtures_steps import FIRST_STEP, assert_moves_every_part, batch_of, built, random_views

FIRST, SECOND = 0.4 * A, 0.4 * B
RIGHT = 14.414701708375  # the authors' code
ALGORITHM = 26.351477490824  # the paper's algorithm: both variances in full
EQUATION = 31.018144157490  # the paper's equation: the distance summed over dimensions, too


def slow_terms(first: Tensor, second: Tensor) -> tuple[float, list[float], list[float]]:
    """Mean squared difference, hinge of each view, covariances of each view."""
    rows, dims = first.shape
    pairs = zip(first.flatten().tolist(), second.flatten().tolist(), strict=True)
    distance = sum((x - y) ** 2 for x, y in pairs)
    hinges, covariances = [], []
    for view in (first, second):
        columns = [[value - sum(column) / rows for value in column] for column in view.T.tolist()]
        deviations = [math.sqrt(sum(value**2 for value in column) / (rows - 1) + 1e-4) for column in columns]
        hinges.append(sum(max(0.0, 1 - deviation) for deviation in deviations) / dims)
        covariances.append(
            sum(
                (sum(x * y for x, y in zip(columns[i], columns[j], strict=True)) / (rows - 1)) ** 2
                for i in range(dims)
                for j in range(dims)
                if i != j
            )
            / dims
        )
    return distance / rows / dims, hinges, covariances


def loss_of(first: Tensor, second: Tensor) -> Tensor:
    terms = vicreg_terms(first, second)
    return 25 * terms.invariance + 25 * terms.variance + terms.covariance


def test_the_terms_of_four_images_are_the_worked_numbers() -> None:
    terms = vicreg_terms(FIRST, SECOND)
    assert terms.invariance.item() == pytest.approx(0.093333333333, abs=1e-11)
    assert terms.variance.item() == pytest.approx((0.483505404998 + 0.471436657598) / 2, abs=1e-11)
    assert terms.covariance.item() == pytest.approx(0.081540740741 + 0.063051851852, abs=1e-11)
    assert loss_of(FIRST, SECOND).item() == pytest.approx(RIGHT, abs=1e-10)


def test_the_other_published_scales_are_other_numbers() -> None:
    distance, hinges, covariances = slow_terms(FIRST, SECOND)
    assert 25 * distance + 25 * sum(hinges) / 2 + sum(covariances) == pytest.approx(RIGHT, abs=1e-10)
    assert 25 * distance + 25 * sum(hinges) + sum(covariances) == pytest.approx(ALGORITHM, abs=1e-10)
    assert 25 * distance * 3 + 25 * sum(hinges) + sum(covariances) == pytest.approx(EQUATION, abs=1e-10)
    assert all(abs(loss_of(FIRST, SECOND).item() - other) > 10 for other in (ALGORITHM, EQUATION))


@pytest.mark.parametrize("seed", range(3))
def test_the_loss_and_its_gradient_agree_with_lightly(seed: int) -> None:
    from lightly.loss import VICRegLoss

    chance = torch.Generator().manual_seed(seed)
    pair = [torch.randn(9, 5, generator=chance, dtype=torch.float64) for _ in range(2)]
    ours, theirs = ([each.clone().requires_grad_() for each in pair] for _ in range(2))
    loss, expected = loss_of(ours[0], ours[1]), VICRegLoss()(*theirs)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-10)
    loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    expected.backward()
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.grad is not None
        assert other.grad is not None
        assert torch.allclose(mine.grad, other.grad, atol=1e-10)


def test_embeddings_that_are_all_equal_cost_their_lost_variance_and_still_have_a_gradient() -> None:
    same = torch.ones(4, 3, dtype=torch.float64, requires_grad=True)
    terms = vicreg_terms(same, same)
    assert terms.variance.item() == pytest.approx(1 - 0.01, abs=1e-12)
    assert terms.invariance.item() == terms.covariance.item() == 0
    terms.variance.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    assert same.grad is not None
    assert torch.isfinite(same.grad).all()


def test_a_step_weighs_the_terms_of_its_two_embeddings_and_moves_every_part() -> None:
    method = built(VICReg, invariance=3.0, variance=7.0, covariance=2.0)
    first, second = random_views(0), random_views(1)
    result = method.step(batch_of(first=first, second=second), FIRST_STEP)
    embedded = method.projection(method.backbone(torch.cat((first, second)))).detach().double()
    distance, hinges, covariances = slow_terms(embedded[:6], embedded[6:])
    assert result.loss.item() == pytest.approx(3 * distance + 7 * sum(hinges) / 2 + 2 * sum(covariances), rel=1e-3)
    assert result.scalars["vicreg/variance"].item() == pytest.approx(sum(hinges) / 2, rel=1e-3)
    assert_moves_every_part(method, result.loss)
