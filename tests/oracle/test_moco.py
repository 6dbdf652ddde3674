"""MoCo's loss, queue and batch norm: worked numbers, a slow loop, lightly's loss, and the mistakes that are public."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.methods.base.context import StepContext
from engine.methods.parts.batch_norm import bn_in_groups
from engine.methods.self_supervised.moco import MoCo, info_nce, norm_groups
from tests.oracle.fixtures_embeddings import A, B
from tests.oracle.fixtures_steps import FIRST_STEP, assert_moves_every_part, batch_of, built, random_views

QUERIES, KEYS = F.normalize(A), F.normalize(B)
QUEUE = torch.cat((torch.eye(3, dtype=torch.float64), torch.full((1, 3), 3**-0.5, dtype=torch.float64)))


def slow(queries: Tensor, keys: Tensor, negatives: Tensor, temperature: float) -> float:
    total = 0.0
    for query, key in zip(queries.tolist(), keys.tolist(), strict=True):
        choices = [sum(a * b for a, b in zip(query, each, strict=True)) for each in (key, *negatives.tolist())]
        total -= math.log(math.exp(choices[0] / temperature) / sum(math.exp(c / temperature) for c in choices))
    return total / len(queries)


@pytest.mark.parametrize(("temperature", "expected"), [(0.07, 1.054229686884), (0.2, 0.862577693790)])
def test_the_loss_of_four_images_is_the_worked_number(temperature: float, expected: float) -> None:
    assert info_nce(QUERIES, KEYS, QUEUE, temperature).item() == pytest.approx(expected, abs=1e-11)
    assert slow(QUERIES, KEYS, QUEUE, temperature) == pytest.approx(expected, abs=1e-11)


def test_the_loss_agrees_with_lightlys_memory_bank() -> None:
    from lightly.loss import NTXentLoss

    theirs = NTXentLoss(temperature=0.2, memory_bank_size=(4, 3))
    theirs.memory_bank.bank = QUEUE
    expected = theirs(A, B)
    assert info_nce(QUERIES, KEYS, QUEUE, 0.2).item() == pytest.approx(expected.item(), rel=1e-10)


def test_embeddings_that_are_all_equal_cost_ln_of_all_choices() -> None:
    same = torch.full((4, 3), 3**-0.5, dtype=torch.float64)
    assert info_nce(same, same, same, 0.2).item() == pytest.approx(math.log(5), abs=1e-12)


def test_no_gradient_flows_into_keys_and_queue() -> None:
    queries, keys, queue = (each.clone().requires_grad_() for each in (QUERIES, KEYS, QUEUE))
    info_nce(queries, keys, queue, 0.2).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    assert queries.grad is not None
    assert keys.grad is queue.grad is None


def test_a_step_costs_the_loss_against_the_queue_before_it_and_then_pushes_its_keys() -> None:
    method, views = built(MoCo, queue_size=16, norm_groups=1), torch.stack((random_views(0), random_views(1)))
    before = method.queue.rows.clone()
    result = method.step(batch_of(crop=views), FIRST_STEP)
    queries = F.normalize(method.projection(method.backbone(views[0]))).detach().double()
    keys = F.normalize(method.key_encoder(views[1])).double()
    assert result.loss.item() == pytest.approx(slow(queries, keys, before.double(), 0.2), rel=1e-4)
    # In the queue, every query would meet its own key as a negative.
    assert abs(result.loss.item() - slow(queries, keys, method.queue.rows.double(), 0.2)) > 0.01
    torch.testing.assert_close(method.queue.rows[:6], keys.float(), atol=1e-5, rtol=1e-4)
    assert torch.equal(method.queue.rows[6:], before[6:])
    assert_moves_every_part(method, result.loss, but=("key_encoder",))


def test_the_queue_begins_with_random_directions_and_is_part_of_the_state() -> None:
    method = built(MoCo, queue_size=500, projection_size=8)
    assert method.queue.rows.norm(dim=1).tolist() == pytest.approx([1.0] * 500, abs=1e-6)
    assert method.queue.rows.mean(0).norm() < 0.2
    assert {"queue.rows", "queue.position"} <= method.state_dict().keys()


def test_the_key_encoder_follows_with_a_constant_momentum() -> None:
    method, views = built(MoCo, momentum=0.9), batch_of(crop=torch.stack((random_views(0), random_views(1))))
    for step in (0, 9):
        with torch.no_grad():
            for parameter in (*method.backbone.parameters(), *method.projection.parameters()):
                parameter.add_(1.0)
        before = [parameter.clone() for parameter in method.key_encoder.parameters()]
        method.after_update(views, StepContext(0, step, 10))
        online = (*method.backbone.parameters(), *method.projection.parameters())
        for key, old, new in zip(method.key_encoder.parameters(), before, online, strict=True):
            torch.testing.assert_close(key, 0.9 * old + 0.1 * new)


def test_batch_norm_in_groups_is_that_of_separate_batches_and_moves_once_by_their_mean() -> None:
    images = torch.randn(8, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    together, apart = nn.BatchNorm2d(3), [nn.BatchNorm2d(3) for _ in range(2)]
    with bn_in_groups(2, together):
        outputs = together(images)
    expected = torch.cat([norm(half) for norm, half in zip(apart, images.chunk(2), strict=True)])
    torch.testing.assert_close(outputs, expected)
    for name in ("running_mean", "running_var"):
        mean = torch.stack([norm.get_buffer(name) for norm in apart]).mean(0)
        torch.testing.assert_close(together.get_buffer(name), mean)
    assert int(together.get_buffer("num_batches_tracked")) == 1
    torch.testing.assert_close(together(images), nn.BatchNorm2d(3)(images))  # and afterwards it is as it was
    together.eval()
    with bn_in_groups(2, together):
        inside = together(images)
    assert torch.equal(inside, together(images))


def test_a_key_is_normalized_with_other_images_than_its_query() -> None:
    """A shuffle alone changes nothing on one device: batch norm sees the same images in another order."""
    method, views = built(MoCo, queue_size=32), torch.stack((random_views(0, 32), random_views(1, 32)))
    method.step(batch_of(crop=views), FIRST_STEP)
    keys = method.queue.rows[:32].clone()
    whole = F.normalize(method.key_encoder(views[1]))
    with bn_in_groups(4, method.key_encoder):
        as_queries = F.normalize(method.key_encoder(views[1]))
    order = torch.randperm(32, generator=torch.Generator().manual_seed(3))
    shuffled = F.normalize(method.key_encoder(views[1][order]))[order.argsort()]
    torch.testing.assert_close(shuffled, whole, atol=1e-4, rtol=1e-3)
    for other in (whole, as_queries):
        assert (keys - other).abs().max() > 0.01


def test_the_statistics_of_keys_are_those_of_their_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    method, views = built(MoCo, queue_size=32), torch.stack((random_views(0, 32), random_views(1, 32)))
    order = torch.randperm(32, generator=torch.Generator().manual_seed(7))
    monkeypatch.setattr("engine.methods.self_supervised.moco.permutation", lambda count, rng, like: order)
    parts = [F.normalize(method.key_encoder(part)) for part in views[1][order].chunk(4)]
    expected = torch.empty_like(torch.cat(parts))
    expected[order] = torch.cat(parts)
    method.step(batch_of(crop=views), FIRST_STEP)
    torch.testing.assert_close(method.queue.rows[:32], expected, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize(
    ("count", "most", "groups"), [(128, 8, 8), (256, 8, 8), (64, 8, 8), (32, 8, 4), (6, 8, 1), (17, 8, 1), (128, 1, 1)]
)
def test_a_batch_is_cut_into_as_many_equal_groups_as_leaves_eight_in_each(count: int, most: int, groups: int) -> None:
    assert norm_groups(count, most) == groups
