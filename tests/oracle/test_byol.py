"""BYOL's loss and target: worked numbers, a slow loop, lightly's loss, and the mistakes that are public."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from engine.methods.base.context import StepContext
from engine.methods.parts.ema import cosine_momentum
from engine.methods.self_supervised.byol import BYOL, byol_loss
from tests.oracle.fixtures_embeddings import A, B, P, Q
from tests.oracle.fixtures_steps import FIRST_STEP, assert_moves_every_part, batch_of, built, random_views

RIGHT = 0.605817677102


def slow(first: Tensor, second: Tensor, first_target: Tensor, second_target: Tensor) -> float:
    total = 0.0
    for prediction, target in ((first, second_target), (second, first_target)):
        for p, t in zip(prediction.tolist(), target.tolist(), strict=True):
            total += sum((a / math.hypot(*p) - b / math.hypot(*t)) ** 2 for a, b in zip(p, t, strict=True))
    return total / len(first)


def test_the_loss_of_four_images_is_the_worked_number() -> None:
    assert byol_loss(P, Q, A, B).item() == pytest.approx(RIGHT, abs=1e-11)
    assert slow(P, Q, A, B) == pytest.approx(RIGHT, abs=1e-11)


def test_the_loss_is_four_times_lightlys_cosine_but_for_a_constant() -> None:
    from lightly.loss import NegativeCosineSimilarity

    theirs = NegativeCosineSimilarity()
    expected = 4 + 2 * (theirs(P, B) + theirs(Q, A)).item()
    assert byol_loss(P, Q, A, B).item() == pytest.approx(expected, abs=1e-10)


def test_no_public_mistake_gives_the_right_number() -> None:
    """The mean over D in place of the sum, one direction alone, and a view's prediction against its own target."""
    by_mean = slow(P, Q, A, B) / P.shape[1]
    assert by_mean == pytest.approx(0.201939225701, abs=1e-11)
    for wrong in (by_mean, slow(P, P, B, B) / 2, slow(P, Q, B, A)):
        assert abs(byol_loss(P, Q, A, B).item() - wrong) > 0.05


def test_no_gradient_flows_into_the_targets() -> None:
    first, second, one, other = (each.clone().requires_grad_() for each in (P, Q, A, B))
    byol_loss(first, second, one, other).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    assert first.grad is not None
    assert one.grad is other.grad is None


def test_a_step_costs_the_loss_of_crossed_views_and_moves_all_but_the_target() -> None:
    method, first, second = built(BYOL), random_views(0), random_views(1)
    result = method.step(batch_of(first=first, second=second), FIRST_STEP)
    views = torch.cat((first, second))
    predictions, targets = method.predictor(method.projection(method.backbone(views))), method.target(views)
    expected = slow(*(half.detach().double() for each in (predictions, targets) for half in each.chunk(2)))
    assert result.loss.item() == pytest.approx(expected, rel=1e-4)
    assert_moves_every_part(method, result.loss, but=("target",))


def test_the_target_follows_after_the_step_with_the_momentum_of_its_step() -> None:
    method, views = built(BYOL, momentum=0.5), batch_of(first=random_views(0), second=random_views(1))
    with torch.no_grad():
        for parameter in (*method.backbone.parameters(), *method.projection.parameters()):
            parameter.add_(1.0)
    before = [parameter.clone() for parameter in method.target.parameters()]
    now = StepContext(0, 5, 10)  # half of the run: 1 - (1 - 0.5) / 2
    method.after_update(views, now)
    online = (*method.backbone.parameters(), *method.projection.parameters())
    for target, old, new in zip(method.target.parameters(), before, online, strict=True):
        torch.testing.assert_close(target, 0.75 * old + 0.25 * new)


@pytest.mark.parametrize(("progress", "momentum"), [(0.0, 0.996), (0.25, 0.996585786438), (0.5, 0.998), (1.0, 1.0)])
def test_the_papers_momentum_rises_to_1(progress: float, momentum: float) -> None:
    assert cosine_momentum(0.996, progress) == pytest.approx(momentum, abs=1e-11)


def test_the_target_normalizes_by_its_own_batch_and_keeps_statistics_of_its_own() -> None:
    method, views = built(BYOL), batch_of(first=random_views(0), second=random_views(1))
    norm = next(m for m in method.target.modules() if isinstance(m, nn.BatchNorm2d))
    before = norm.get_buffer("running_mean").clone()
    method.step(views, FIRST_STEP)
    own = norm.get_buffer("running_mean").clone()
    assert not torch.equal(own, before)
    method.backbone(random_views(2))  # only the online network sees these
    method.after_update(views, FIRST_STEP)
    assert torch.equal(norm.get_buffer("running_mean"), own)
