"""Learning rate, weight average and parameter groups against numbers worked out by hand and slow loops in float64."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn

from engine.backbones.small_cnn import SmallCNN
from engine.errors import FewLabError
from engine.methods.base.context import TaskSpec
from engine.methods.base.method import Group
from engine.methods.semi_supervised.supervised import Supervised
from engine.optimizers.adam import Adam
from engine.optimizers.adamw import AdamW
from engine.optimizers.lars import LARS
from engine.optimizers.sgd import SGD
from engine.training.loops.optimizer import ScheduledOptimizer, learning_rate
from engine.training.loops.weight_average import WeightAverage


def sgd(**settings: Any) -> SGD.Params:
    return SGD.Params.model_validate({"lr": 1.0, "warmup_steps": 0, **settings})


@pytest.mark.parametrize(
    ("step", "factor"),
    [
        (0, 1.0),
        (500, 0.7730104534),  # cos(7π/32)
        (1000, 0.1950903220),  # cos(7π/16): where the schedule would end; it never reaches 0
    ],
)
def test_the_cosine_schedule_of_fixmatch(step: int, factor: float) -> None:
    assert learning_rate(sgd(), step, 1000) == pytest.approx(factor, abs=1e-10)
    assert learning_rate(sgd(lr=0.03), step, 1000) == pytest.approx(0.03 * factor, abs=1e-11)


def test_the_constant_schedule_stays() -> None:
    assert [learning_rate(sgd(schedule="constant"), step, 10) for step in range(10)] == [1.0] * 10


@pytest.mark.parametrize(
    ("warmup", "factors"),
    [
        (0, [1, 1, 1, 1, 1, 1]),
        (1, [1, 1, 1, 1, 1, 1]),  # the first step already has the full rate
        (4, [0.25, 0.5, 0.75, 1, 1, 1]),  # never 0: no step is wasted
        (10, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]),  # longer than the run: it ends on the way up
    ],
)
def test_the_warm_up_rises_linearly(warmup: int, factors: list[float]) -> None:
    assert [
        learning_rate(sgd(schedule="constant", warmup_steps=warmup), step, 6) for step in range(6)
    ] == pytest.approx(factors, abs=1e-12)


def test_warm_up_and_cosine_multiply() -> None:
    assert learning_rate(sgd(warmup_steps=20), 9, 18) == pytest.approx(0.5 * 0.7730104534, abs=1e-10)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2).double()
        self.norm = nn.BatchNorm1d(2).double()


def disturb(net: Net, chance: torch.Generator) -> None:
    """What a training step does to a module: other weights, other statistics, one more batch counted."""
    with torch.no_grad():
        for tensor in (*net.parameters(), net.norm.running_mean, net.norm.running_var):
            assert tensor is not None
            tensor.add_(torch.randn(tensor.shape, generator=chance, dtype=torch.float64))
        assert net.norm.num_batches_tracked is not None
        net.norm.num_batches_tracked.add_(1)


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.99])
def test_the_weight_average_agrees_with_a_slow_loop(decay: float) -> None:
    chance = torch.Generator().manual_seed(1)
    net = Net()
    average = WeightAverage(net, decay)
    expected = {name: value.tolist() for name, value in net.state_dict().items()}

    def mixed(old: Any, new: Any, share: float) -> Any:
        return (
            [mixed(a, b, share) for a, b in zip(old, new, strict=True)]
            if isinstance(old, list)
            else share * old + (1 - share) * new
        )

    for step in range(60):
        disturb(net, chance)
        average.update(step)
        share = min(decay, (1 + step) / (10 + step))
        for name, value in net.state_dict().items():
            expected[name] = (
                mixed(expected[name], value.tolist(), share) if value.is_floating_point() else value.tolist()
            )
    for name, value in average.module.state_dict().items():
        assert torch.tensor(expected[name], dtype=torch.float64).sub(value).abs().max().item() < 1e-12, name


def test_the_average_starts_short_so_that_a_short_run_forgets_its_random_start() -> None:
    net = nn.Linear(1, 1, bias=False).double()
    nn.init.ones_(net.weight)
    average = WeightAverage(net, 0.99)
    nn.init.zeros_(net.weight)
    kept = []
    for step in range(3):
        average.update(step)
        kept.append(average.module.get_parameter("weight").item())
    assert kept == pytest.approx([1 / 10, 1 / 10 * 2 / 11, 1 / 10 * 2 / 11 * 3 / 12], abs=1e-12)


def test_statistics_of_batch_norm_are_averaged_and_its_counter_copied() -> None:
    net = Net()
    average = WeightAverage(net, 0.5)
    with torch.no_grad():
        assert net.norm.running_mean is not None
        assert net.norm.num_batches_tracked is not None
        net.norm.running_mean.fill_(10)
        net.norm.num_batches_tracked.fill_(7)
    average.update(1000)
    assert average.module.get_buffer("norm.running_mean").tolist() == pytest.approx([5, 5])
    assert average.module.get_buffer("norm.num_batches_tracked").item() == 7


def test_the_average_takes_no_gradient_and_leaves_the_network_alone() -> None:
    net = Net()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    average = WeightAverage(net, 0.9)
    average.update(0)
    assert not any(p.requires_grad for p in average.module.parameters())
    assert not average.module.training
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())


class Scaled(Supervised):
    """Two groups: a head that learns ten times as fast, and a backbone whose kernels never decay."""

    def groups(self) -> list[Group]:
        return [Group([self.classifier.head], lr_scale=10.0), Group([self.classifier.backbone], weight_decay=False)]


def supervised(cls: type[Supervised] = Supervised) -> Supervised:
    return cls(cls.Params(), SmallCNN(SmallCNN.Params(width=4), 1, 8), TaskSpec(3, 1, 8, {}, 2))


def test_kernels_decay_and_biases_and_normalization_do_not() -> None:
    method = supervised()
    optimizer = ScheduledOptimizer(method, SGD.Params(weight_decay=0.01, momentum=0.8, nesterov=False)).torch
    assert isinstance(optimizer, torch.optim.SGD)
    names = {id(p): name for name, p in method.named_parameters()}
    decayed = {group["weight_decay"]: sorted(names[id(p)] for p in group["params"]) for group in optimizer.param_groups}
    assert set(decayed) == {0.01, 0.0}
    assert decayed[0.01] == [
        "backbone.blocks.0.0.weight",
        "backbone.blocks.1.0.weight",
        "backbone.blocks.2.0.weight",
        "backbone.blocks.3.0.weight",
        "classifier.head.weight",
    ]
    assert decayed[0.0] == sorted(
        [f"backbone.blocks.{i}.1.{what}" for i in range(4) for what in ("weight", "bias")] + ["classifier.head.bias"]
    )
    assert {(group["momentum"], group["nesterov"]) for group in optimizer.param_groups} == {(0.8, False)}


def test_adamw_gets_its_own_settings() -> None:
    optimizer = ScheduledOptimizer(supervised(), AdamW.Params(lr=0.002, beta1=0.8, beta2=0.95, weight_decay=0.05)).torch
    assert isinstance(optimizer, torch.optim.AdamW)
    assert {(group["lr"], tuple(group["betas"])) for group in optimizer.param_groups} == {(0.002, (0.8, 0.95))}
    assert sorted(group["weight_decay"] for group in optimizer.param_groups) == [0.0, 0.05]


def test_a_groups_scale_multiplies_the_rate_and_its_kernels_may_be_spared_from_decay() -> None:
    method = supervised(Scaled)
    params = sgd(lr=0.2, weight_decay=0.01)
    optimizer = ScheduledOptimizer(method, params)
    optimizer.schedule(params, 0, 10)
    of = {id(p): group for group in optimizer.torch.param_groups for p in group["params"]}
    weights = ("classifier.head.weight", "backbone.blocks.0.0.weight")
    head, kernel = (of[id(method.get_parameter(name))] for name in weights)
    assert (head["lr"], head["weight_decay"]) == (2.0, 0.01)
    assert (kernel["lr"], kernel["weight_decay"]) == (0.2, 0.0)


def test_a_step_of_sgd_is_nesterovs_with_l2_in_the_gradient() -> None:
    method = supervised()
    optimizer = ScheduledOptimizer(method, SGD.Params(lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01)).torch
    head = method.classifier.head
    weight, bias = head.weight[0, 0].item(), head.bias[0].item()
    velocities = [0.0, 0.0]
    for step in range(5):
        rate = 0.1 * math.cos(step)
        for group in optimizer.param_groups:
            group["lr"] = rate
        for p in method.parameters():
            p.grad = torch.full_like(p, 0.3)
        optimizer.step()
        for which, (value, decay) in enumerate(((weight, 0.01), (bias, 0.0))):
            gradient = 0.3 + decay * value
            velocities[which] = gradient if step == 0 else 0.9 * velocities[which] + gradient
            value -= rate * (gradient + 0.9 * velocities[which])
            weight, bias = (value, bias) if which == 0 else (weight, value)
    assert head.weight[0, 0].item() == pytest.approx(weight, abs=1e-6)
    assert head.bias[0].item() == pytest.approx(bias, abs=1e-6)


@pytest.mark.parametrize("floor", [0.0, 0.25])
def test_cosine_annealing_is_torchs(floor: float) -> None:
    weight = nn.Parameter(torch.zeros(1))
    theirs = torch.optim.SGD([weight], lr=0.4)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(theirs, T_max=30, eta_min=0.4 * floor)
    params = sgd(lr=0.4, schedule={"name": "cosine_annealing", "floor": floor})
    for step in range(30):
        assert learning_rate(params, step, 30) == pytest.approx(theirs.param_groups[0]["lr"], abs=1e-9), step
        theirs.step()
        scheduler.step()


def test_step_decay_is_torchs_with_milestones_as_shares() -> None:
    weight = nn.Parameter(torch.zeros(1))
    theirs = torch.optim.SGD([weight], lr=0.1)
    scheduler = torch.optim.lr_scheduler.MultiStepLR(theirs, [12, 24, 32], gamma=0.2)
    params = sgd(lr=0.1, schedule={"name": "step_decay", "milestones": [0.3, 0.6, 0.8], "gamma": 0.2})
    for step in range(40):
        assert learning_rate(params, step, 40) == pytest.approx(theirs.param_groups[0]["lr"], abs=1e-12), step
        theirs.step()
        scheduler.step()


def test_weight_decay_moves_along_half_a_cosine_for_kernels_only() -> None:
    """DINO's, from 0.04 to 0.4: at the quarter (1 + cos 45°) / 2 = 0.8536 of the way is left."""
    method = supervised(Scaled)
    params = sgd(weight_decay=0.04, weight_decay_end=0.4)
    optimizer = ScheduledOptimizer(method, params)
    for step, expected in ((0, 0.04), (25, 0.4 - 0.36 * 0.8535533906), (50, 0.22), (100, 0.4)):
        optimizer.schedule(params, step, 100)
        found = sorted({group["weight_decay"] for group in optimizer.torch.param_groups})
        assert found == pytest.approx([0.0, expected], abs=1e-9), step


class OwnSchedule(Supervised):
    """SimSiam's: the head's rate stays, the backbone's falls."""

    def groups(self) -> list[Group]:
        return [Group([self.classifier.head], schedule="constant"), Group([self.backbone])]


def test_a_group_can_have_a_schedule_of_its_own() -> None:
    method, params = supervised(OwnSchedule), sgd(lr=0.2)
    optimizer = ScheduledOptimizer(method, params)
    optimizer.schedule(params, 50, 100)
    of = {id(p): group["lr"] for group in optimizer.torch.param_groups for p in group["params"]}
    assert of[id(method.classifier.head.weight)] == 0.2
    assert of[id(method.get_parameter("backbone.blocks.0.0.weight"))] == pytest.approx(0.2 * 0.7730104534, abs=1e-10)


class Forgets(Supervised):
    def groups(self) -> list[Group]:
        return [Group([self.backbone])]


class Doubles(Supervised):
    def groups(self) -> list[Group]:
        return [Group([self]), Group([self.classifier.head.bias])]


@pytest.mark.parametrize(("cls", "where"), [(Forgets, "none"), (Doubles, "two")])
def test_a_parameter_in_no_group_or_in_two_is_refused_by_name(cls: type[Supervised], where: str) -> None:
    with pytest.raises(FewLabError, match=rf"classifier\.head\.\w+ of supervised is in {where} of the method's groups"):
        ScheduledOptimizer(supervised(cls), sgd())


class Bare(Supervised):
    """A parameter of the method itself, as tokens and temperatures are."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.scale = nn.Parameter(torch.ones(2))

    def groups(self) -> list[Group]:
        return [Group([self.scale], lr_scale=3.0), Group([self.backbone, self.classifier.head])]


def test_a_group_holds_single_parameters_too() -> None:
    method, params = supervised(Bare), sgd(lr=0.2)
    optimizer = ScheduledOptimizer(method, params)
    optimizer.schedule(params, 0, 10)
    rates = {id(p): group["lr"] for group in optimizer.torch.param_groups for p in group["params"]}
    assert rates[id(method.scale)] == pytest.approx(0.6)


def test_steps_of_lars_follow_its_formula() -> None:
    """In float64, for a kernel, whose step is a share of its own size, and a bias, which moves by plain momentum."""
    method = supervised()
    params = LARS.Params(lr=0.5, momentum=0.9, weight_decay=0.01, trust=0.02)
    optimizer = ScheduledOptimizer(method, params).torch
    head = method.classifier.head
    kernel, bias = head.weight.detach().double().clone(), head.bias.detach().double().clone()
    speeds = [torch.zeros_like(kernel), torch.zeros_like(bias)]
    generator = torch.Generator().manual_seed(3)
    for _ in range(4):
        gradients = [torch.randn(value.shape, generator=generator).double() for value in (kernel, bias)]
        head.weight.grad, head.bias.grad = (gradient.float() for gradient in gradients)
        optimizer.step()
        slope = gradients[0] + 0.01 * kernel
        ratio = 0.02 * kernel.pow(2).sum().sqrt() / slope.pow(2).sum().sqrt()
        speeds[0] = 0.9 * speeds[0] + 0.5 * ratio * slope
        speeds[1] = 0.9 * speeds[1] + 0.5 * gradients[1]
        kernel, bias = kernel - speeds[0], bias - speeds[1]
    torch.testing.assert_close(head.weight.detach().double(), kernel, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(head.bias.detach().double(), bias, atol=1e-6, rtol=1e-5)


def test_adam_gets_its_own_settings() -> None:
    optimizer = ScheduledOptimizer(supervised(), Adam.Params(lr=0.002, beta1=0.8, beta2=0.95)).torch
    assert type(optimizer) is torch.optim.Adam
    assert {(group["lr"], tuple(group["betas"])) for group in optimizer.param_groups} == {(0.002, (0.8, 0.95))}


def test_a_restart_forgets_momentum() -> None:
    method, params = supervised(), sgd(lr=0.1)
    optimizer = ScheduledOptimizer(method, params)
    for parameter in method.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.torch.step()
    assert optimizer.torch.state
    optimizer.restart()
    before = method.classifier.head.bias[0].item()
    optimizer.schedule(params, 0, 10)
    optimizer.torch.step()
    # Nesterov's first step, 1 + 0.9 times the rate; with the momentum of before it would be 2.71 times.
    assert method.classifier.head.bias[0].item() == pytest.approx(before - 0.1 * 1.9, abs=1e-6)
