"""DINO's loss, center and head: worked numbers, a slow loop, lightly's loss."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from engine.backbones.simple_cnn import SimpleCNN
from engine.errors import ConfigError
from engine.methods.base.context import StepContext
from engine.methods.self_supervised.dino import (
    CLIPPED_AT,
    DINO,
    Prototypes,
    dino_loss,
    moved_center,
    teacher_choices,
)
from tests.oracle.fixtures_embeddings import A, B, P, Q
from tests.oracle.fixtures_steps import FIRST_STEP, assert_moves_every_part, batch_of, built, random_views

TEACHER, STUDENT = torch.stack((0.1 * A, 0.1 * B)), torch.stack((0.1 * P, 0.1 * Q))
LOCAL = 0.1 * (P + Q)[None]
CENTER = torch.tensor([0.02, -0.01, 0.03], dtype=torch.float64)


def softmax(row: list[float]) -> list[float]:
    total = sum(math.exp(value) for value in row)
    return [math.exp(value) / total for value in row]


def slow(teacher: Tensor, student: Tensor, center: Tensor, warm: float, temperature: float) -> float:
    terms = []
    for i in range(len(teacher)):
        for j in range(len(student)):
            if i == j:
                continue
            for t, s in zip(teacher[i].tolist(), student[j].tolist(), strict=True):
                wanted = softmax([(a - c) / warm for a, c in zip(t, center.tolist(), strict=True)])
                given = softmax([b / temperature for b in s])
                terms.append(-sum(w * math.log(g) for w, g in zip(wanted, given, strict=True)))
    return sum(terms) / len(terms)


def test_the_loss_of_two_and_of_three_views_is_the_worked_number() -> None:
    choices = teacher_choices(TEACHER, CENTER, 0.04)
    assert dino_loss(choices, STUDENT, 0.1).item() == pytest.approx(0.758576951243, abs=1e-11)
    with_local = torch.cat((STUDENT, LOCAL))
    assert dino_loss(choices, with_local, 0.1).item() == pytest.approx(0.693682298293, abs=1e-11)
    assert slow(TEACHER, with_local, CENTER, 0.04, 0.1) == pytest.approx(0.693682298293, abs=1e-11)
    entropy = -torch.xlogy(choices, choices).sum(2).mean().item()
    assert entropy == pytest.approx(0.288604642258, abs=1e-11)


def test_the_center_moves_by_a_tenth_of_the_mean_over_both_views() -> None:
    expected = torch.tensor([0.0205, -0.00275, 0.032], dtype=torch.float64)
    torch.testing.assert_close(moved_center(CENTER, TEACHER), expected, atol=1e-12, rtol=0)


def test_loss_and_center_agree_with_lightly() -> None:
    from lightly.loss import DINOLoss

    theirs = DINOLoss(output_dim=3, teacher_temp=0.04, student_temp=0.1).double()
    theirs.center.data = CENTER[None, None].clone()
    student = torch.cat((STUDENT, LOCAL))
    expected = theirs(list(TEACHER), list(student), teacher_temp=0.04)
    choices = teacher_choices(TEACHER, CENTER, 0.04)
    assert dino_loss(choices, student, 0.1).item() == pytest.approx(expected.item(), rel=1e-6)
    torch.testing.assert_close(moved_center(CENTER, TEACHER), theirs.center.flatten(), atol=1e-9, rtol=0)


def test_mistakes_are_noticed() -> None:
    """The new center in the loss, a view compared with itself, no centering, temperatures exchanged."""
    right = dino_loss(teacher_choices(TEACHER, CENTER, 0.04), STUDENT, 0.1).item()
    moved = slow(TEACHER, STUDENT, moved_center(CENTER, TEACHER), 0.04, 0.1)
    itself = slow(TEACHER, STUDENT.flip(0), CENTER, 0.04, 0.1)
    uncentered = slow(TEACHER, STUDENT, torch.zeros(3), 0.04, 0.1)
    exchanged = slow(TEACHER, STUDENT, CENTER, 0.1, 0.04)
    assert all(abs(right - wrong) > 0.003 for wrong in (moved, itself, uncentered, exchanged))


def test_prototypes_are_torchs_weight_normed_layer_with_a_gain_of_1() -> None:
    theirs = nn.utils.parametrizations.weight_norm(nn.Linear(4, 6, bias=False))
    ours = Prototypes(4, 6)
    gain, direction = theirs.parametrizations["weight"].original0, theirs.parametrizations["weight"].original1
    with torch.no_grad():
        gain.fill_(1.0)
        direction.copy_(ours.directions)
    rows = torch.randn(3, 4, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(ours(rows), theirs(nn.functional.normalize(rows)))
    assert ours(rows).abs().max() <= 1 + 1e-6
    for network in (ours, theirs):
        network(nn.functional.normalize(rows)).square().sum().backward()
    torch.testing.assert_close(ours.directions.grad, direction.grad)


def test_a_step_costs_the_loss_with_the_center_before_it_and_moves_all_but_the_teacher() -> None:
    method = built(DINO, prototypes=10, temperature_warmup=0.5)
    with torch.no_grad():
        method.center.uniform_(-0.1, 0.1, generator=torch.Generator().manual_seed(4))
    center = method.center.clone()
    first, second = random_views(0), random_views(1)
    result = method.step(batch_of(first=first, second=second), StepContext(0, 0, 10))
    views = torch.cat((first, second))
    student = method.prototypes(method.projection(method.backbone(views))).unflatten(0, (2, 6)).detach().double()
    teacher = method.teacher_prototypes(method.teacher_projection(method.teacher(views))).unflatten(0, (2, 6))
    expected = slow(teacher.double(), student, center.double(), 0.04, 0.1)
    assert result.loss.item() == pytest.approx(expected, rel=1e-4)
    torch.testing.assert_close(method.center, 0.9 * center + 0.1 * teacher.mean((0, 1)), atol=1e-6, rtol=1e-4)
    scalars = result.scalars
    entropy = scalars["dino/entropy"].item() * math.log(10)
    assert scalars["dino/divergence"].item() == pytest.approx(expected - entropy, rel=1e-3)
    assert_moves_every_part(method, result.loss, but=("teacher",))


def test_the_student_alone_sees_local_views_and_they_are_compared_with_both_global_ones() -> None:
    method = built(DINO, prototypes=10, local_views=2)
    view = method.streams()["unlabeled"].views["local"]
    assert (view.count, view.size) == (2, 4)
    local = torch.stack([random_views(seed, size=4) for seed in (5, 6)])
    seen: list[int] = []
    method.teacher.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0].shape[-1]))
    parts = batch_of(first=random_views(0), second=random_views(1), local=local)
    result = method.step(parts, FIRST_STEP)
    assert seen == [8]
    views = torch.cat((random_views(0), random_views(1)))
    of_global = method.prototypes(method.projection(method.backbone(views))).unflatten(0, (2, 6))
    of_local = method.prototypes(method.projection(method.backbone(local.flatten(0, 1)))).unflatten(0, (2, 6))
    teacher = method.teacher_prototypes(method.teacher_projection(method.teacher(views))).unflatten(0, (2, 6))
    student = torch.cat((of_global, of_local)).detach().double()
    assert result.loss.item() == pytest.approx(slow(teacher.double(), student, torch.zeros(10), 0.04, 0.1), rel=1e-4)
    assert {name: view.shape[1:] for name, view in method.show(parts).items()} == {
        name: (1, 8, 8) for name in ("first", "second", "local_1", "local_2")
    }


def test_a_network_that_takes_no_smaller_views_is_refused_in_a_sentence() -> None:
    with pytest.raises(ConfigError) as refused:
        built(DINO, SimpleCNN(SimpleCNN.Params(), 1, 8), local_views=1)
    assert str(refused.value) == (
        "simple_cnn does not take local views of 4 pixels: set method.local_views to 0, or choose another backbone or"
        " larger images."
    )


@pytest.mark.parametrize(("step", "temperature"), [(0, 0.04), (5, 0.055), (10, 0.07), (50, 0.07)])
def test_the_teachers_temperature_rises_evenly_and_stays(step: int, temperature: float) -> None:
    method = built(DINO, temperature_warmup=0.1, teacher_temperature=0.07)
    assert method._teacher_temperature(StepContext(0, step, 100)) == pytest.approx(temperature, abs=1e-12)


def test_each_gradient_is_clipped_by_itself_and_prototypes_rest_in_the_first_epoch() -> None:
    method = built(DINO, prototypes=10)
    for number, parameter in enumerate(p for p in method.parameters() if p.requires_grad):
        parameter.grad = torch.full_like(parameter, 100.0 if number % 2 else 1e-6)
    before = {name: p.grad.norm().item() for name, p in method.named_parameters() if p.grad is not None}
    method.before_update(StepContext(0, 5, 10, steps_per_epoch=5))
    for name, parameter in method.named_parameters():
        if parameter.grad is not None:
            assert parameter.grad.norm().item() == pytest.approx(min(before[name], CLIPPED_AT), rel=1e-4), name
    assert method.prototypes.directions.grad is not None
    method.before_update(StepContext(0, 4, 10, steps_per_epoch=5))
    assert method.prototypes.directions.grad is None


def test_the_teacher_is_served_and_follows_after_the_step() -> None:
    method, views = built(DINO, momentum=0.5), batch_of(first=random_views(0), second=random_views(1))
    assert method.served().backbone is method.teacher
    with torch.no_grad():
        for parameter in method.backbone.parameters():
            parameter.add_(1.0)
    before = [parameter.clone() for parameter in method.teacher.parameters()]
    method.after_update(views, StepContext(0, 5, 10))
    for teacher, old, new in zip(method.teacher.parameters(), before, method.backbone.parameters(), strict=True):
        torch.testing.assert_close(teacher, 0.75 * old + 0.25 * new)
