"""SimSiam's loss and its stopped gradient: worked numbers, lightly's loss, and the ways in which it collapses."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from engine.methods.self_supervised.byol import byol_loss
from engine.methods.self_supervised.simsiam import SimSiam, simsiam_loss
from engine.schedules.constant import Constant
from tests.oracle.fixtures_embeddings import A, B, P, Q
from tests.oracle.fixtures_steps import FIRST_STEP, assert_moves_every_part, batch_of, built, random_views

RIGHT = -0.848545580724


def negative_cosine(predictions: Tensor, projections: Tensor) -> float:
    total: float = sum(
        sum(x * y for x, y in zip(a, b, strict=True)) / math.hypot(*a) / math.hypot(*b)
        for a, b in zip(predictions.tolist(), projections.tolist(), strict=True)
    )
    return -total / len(predictions)


def test_the_loss_of_four_images_is_the_worked_number() -> None:
    assert negative_cosine(P, B) == pytest.approx(-0.900604027890, abs=1e-11)
    assert negative_cosine(Q, A) == pytest.approx(-0.796487133559, abs=1e-11)
    assert simsiam_loss(P, Q, A, B).item() == pytest.approx(RIGHT, abs=1e-11)
    assert byol_loss(P, Q, A, B).item() / 4 - 1 == pytest.approx(RIGHT, abs=1e-11)


def test_the_loss_and_its_gradient_agree_with_lightly() -> None:
    from lightly.loss import NegativeCosineSimilarity

    theirs = NegativeCosineSimilarity()
    first, second = P.clone().requires_grad_(), P.clone().requires_grad_()
    simsiam_loss(first, Q, A, B).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    (0.5 * (theirs(second, B) + theirs(Q, A))).backward()
    assert first.grad is not None
    assert second.grad is not None
    assert torch.allclose(first.grad, second.grad, atol=1e-10)


def test_no_gradient_flows_into_the_projections() -> None:
    """Without the stop it still trains, into a collapse: 0.1 % accuracy in the paper's table 1."""
    first, second, one, other = (each.clone().requires_grad_() for each in (P, Q, A, B))
    simsiam_loss(first, second, one, other).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    assert first.grad is not None
    assert one.grad is other.grad is None


def test_without_the_stop_the_value_is_the_same_and_the_backbone_also_learns_to_be_predicted() -> None:
    first, second, one, other = (each.clone().requires_grad_() for each in (P, Q, A, B))
    loss = simsiam_loss(first, second, one, other, stop_gradient=False)
    loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    assert loss.item() == pytest.approx(RIGHT, abs=1e-11)
    assert one.grad is not None
    assert other.grad is not None
    method, views = built(SimSiam, stop_gradient=False), torch.stack((random_views(0), random_views(1)))
    with torch.no_grad():
        for parameter in method.predictor.parameters():
            parameter.zero_()
        method.predictor[-1].bias.fill_(1.0)
    method.step(batch_of(crop=views), FIRST_STEP).loss.backward()
    assert any(parameter.grad.abs().max() > 0 for parameter in method.backbone.parameters())


def test_views_of_one_side_are_no_pair() -> None:
    assert abs(simsiam_loss(P, Q, B, A).item() - RIGHT) > 0.02


def test_a_step_costs_the_loss_of_crossed_views_and_moves_every_part() -> None:
    method, views = built(SimSiam), torch.stack((random_views(0), random_views(1)))
    result = method.step(batch_of(crop=views), FIRST_STEP)
    projected = method.projection(method.backbone(views.flatten(0, 1)))
    (p1, p2), (z1, z2) = method.predictor(projected).chunk(2), projected.chunk(2)
    assert result.loss.item() == pytest.approx((negative_cosine(p1, z2) + negative_cosine(p2, z1)) / 2, rel=1e-4)
    assert_moves_every_part(method, result.loss)


def test_the_backbone_learns_through_the_predictor_alone() -> None:
    method, views = built(SimSiam), torch.stack((random_views(0), random_views(1)))
    with torch.no_grad():
        for parameter in method.predictor.parameters():
            parameter.zero_()
        method.predictor[-1].bias.fill_(1.0)
    method.step(batch_of(crop=views), FIRST_STEP).loss.backward()
    assert all(parameter.grad.abs().max() == 0 for parameter in method.backbone.parameters())


def test_the_predictor_keeps_its_learning_rate_and_the_rest_follows_the_schedule() -> None:
    method = built(SimSiam)
    schedules = {id(p): group.schedule for group in method.groups() for p in group.trainable()}
    assert {schedules[id(p)] for p in method.predictor.parameters()} == {Constant.Params().name}
    others = [*method.backbone.parameters(), *method.projection.parameters()]
    assert {schedules[id(p)] for p in others} == {None}


@pytest.mark.parametrize("layers", [2, 3])
def test_batch_norm_stands_behind_every_layer_of_the_projection_and_not_behind_the_prediction(layers: int) -> None:
    method = built(SimSiam, layers=layers)
    kinds = [type(layer) for layer in method.projection]
    assert kinds == [*[nn.Linear, nn.BatchNorm1d, nn.ReLU] * (layers - 1), nn.Linear, nn.BatchNorm1d]
    assert not method.projection[-1].affine
    assert [type(layer) for layer in method.predictor] == [nn.Linear, nn.BatchNorm1d, nn.ReLU, nn.Linear]
    assert method.predictor[0].out_features < method.predictor[0].in_features
