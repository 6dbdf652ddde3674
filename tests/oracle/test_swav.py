"""SwAV's codes and loss: a slow loop, lightly's own code, and the closed form that balanced codes have."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from engine.methods.base.context import StepContext
from engine.methods.self_supervised.swav import SwAV, codes, swav_loss
from tests.oracle.fixtures_steps import FIRST_STEP, assert_moves_every_part, batch_of, built, random_views


def scores_of(seed: int, count: int = 8, prototypes: int = 5) -> Tensor:
    chance = torch.Generator().manual_seed(seed)
    return 2 * torch.rand(count, prototypes, generator=chance, dtype=torch.float64) - 1


def slow_codes(scores: list[list[float]], epsilon: float, iterations: int = 3) -> list[list[float]]:
    """Algorithm of the paper's appendix: columns to 1/K, rows to 1/N, in turn; then rows to 1."""
    shares = [[math.exp(score / epsilon) for score in row] for row in scores]
    count, prototypes = len(shares), len(shares[0])
    for _ in range(iterations):
        totals = [sum(row[k] for row in shares) for k in range(prototypes)]
        shares = [[value / totals[k] / prototypes for k, value in enumerate(row)] for row in shares]
        shares = [[value / sum(row) / count for value in row] for row in shares]
    return [[value * count for value in row] for row in shares]


def slow_loss(first: Tensor, second: Tensor, temperature: float, epsilon: float) -> float:
    total = 0.0
    for scores, other in ((first.tolist(), second.tolist()), (second.tolist(), first.tolist())):
        for row, wanted in zip(scores, slow_codes(other, epsilon), strict=True):
            highest = math.log(sum(math.exp(score / temperature) for score in row))
            total -= sum(q * (score / temperature - highest) for q, score in zip(wanted, row, strict=True))
    return total / len(first) / 2


@pytest.mark.parametrize("seed", range(3))
def test_codes_are_lightlys_and_those_of_a_loop(seed: int) -> None:
    from lightly.loss.swav_loss import sinkhorn

    scores = scores_of(seed)
    ours = codes(scores, 0.05)
    torch.testing.assert_close(ours, sinkhorn(scores, iterations=3, epsilon=0.05), atol=1e-10, rtol=1e-8)
    torch.testing.assert_close(ours, torch.tensor(slow_codes(scores.tolist(), 0.05), dtype=torch.float64))


@pytest.mark.parametrize("seed", range(3))
def test_loss_and_gradient_are_lightlys_and_the_loss_that_of_a_loop(seed: int) -> None:
    from lightly.loss import SwaVLoss

    pair = [scores_of(seed), scores_of(seed + 10)]
    ours, theirs = ([each.clone().requires_grad_() for each in pair] for _ in range(2))
    loss = swav_loss(ours[0], ours[1], 0.1, 0.05)
    expected = SwaVLoss(temperature=0.1, sinkhorn_iterations=3, sinkhorn_epsilon=0.05)(theirs, [])
    assert loss.item() == pytest.approx(expected.item(), rel=1e-9)
    assert loss.item() == pytest.approx(slow_loss(pair[0], pair[1], 0.1, 0.05), rel=1e-9)
    loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    expected.backward()
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.grad is not None
        assert other.grad is not None
        assert torch.allclose(mine.grad, other.grad, atol=1e-9)


def test_codes_give_every_image_one_share_and_every_prototype_as_many() -> None:
    balanced = codes(scores_of(1, 40, 5), 0.5)
    torch.testing.assert_close(balanced.sum(1), torch.ones(40, dtype=torch.float64))
    torch.testing.assert_close(balanced.sum(0), torch.full((5,), 8.0, dtype=torch.float64), atol=0.05, rtol=0)


def test_images_that_are_all_equal_get_even_codes_though_one_prototype_is_nearest() -> None:
    """Without the balance all would get that prototype, which is the collapse; a softmax of the rows would do that."""
    scores = torch.tensor([[1.0, 0.0, -1.0]] * 6, dtype=torch.float64)
    torch.testing.assert_close(codes(scores, 0.05), torch.full((6, 3), 1 / 3, dtype=torch.float64))
    assert (scores / 0.05).softmax(1)[0, 0] > 0.99


def test_a_view_that_predicts_its_own_code_is_noticed() -> None:
    first, second = scores_of(2), scores_of(3)
    own = (slow_loss(first, first, 0.1, 0.05) + slow_loss(second, second, 0.1, 0.05)) / 2
    assert abs(swav_loss(first, second, 0.1, 0.05).item() - own) > 0.1


def test_the_largest_cosines_do_not_overflow_at_the_smallest_epsilon() -> None:
    scores = torch.tensor([[1.0, -1.0], [-1.0, 1.0], [1.0, 1.0]])
    assert torch.isfinite(codes(scores, SwAV.Params(epsilon=0.02).epsilon)).all()


def test_a_step_costs_the_loss_of_its_two_views_and_moves_every_part() -> None:
    method = built(SwAV, prototypes=4, temperature=0.2, epsilon=0.1)
    views = torch.stack((random_views(0), random_views(1)))
    result = method.step(batch_of(crop=views), FIRST_STEP)
    embedded = torch.nn.functional.normalize(method.projection(method.backbone(views.flatten(0, 1))))
    first, second = (embedded @ method.prototypes.weight.T).detach().double().chunk(2)
    assert result.loss.item() == pytest.approx(slow_loss(first, second, 0.2, 0.1), rel=1e-4)
    assert_moves_every_part(method, result.loss)


def test_prototypes_have_length_1_and_rest_in_the_first_epoch() -> None:
    method = built(SwAV, prototypes=4)
    assert method.prototypes.weight.norm(dim=1).tolist() == pytest.approx([1.0] * 4)
    views = batch_of(crop=torch.stack((random_views(0), random_views(1))))
    for step, trained in ((4, False), (5, True)):
        method.zero_grad()
        method.step(views, FIRST_STEP).loss.backward()
        method.before_update(StepContext(0, step, 10, steps_per_epoch=5))
        assert (method.prototypes.weight.grad is not None) == trained
    with torch.no_grad():
        method.prototypes.weight.mul_(3.0)
    method.after_update(views, FIRST_STEP)
    assert method.prototypes.weight.norm(dim=1).tolist() == pytest.approx([1.0] * 4)
