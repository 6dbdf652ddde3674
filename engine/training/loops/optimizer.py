"""The optimizer over a method's groups of parameters, and what the schedule does to them before each step."""

from __future__ import annotations

import math
from collections import Counter
from typing import NamedTuple

import torch
from torch import nn

from engine.config.parts import OptimizerParams
from engine.errors import FewLabError
from engine.methods.base.method import GradientMethod
from engine.registry import optimizers, schedules


class _Rule(NamedTuple):
    """How one of the optimizer's groups is scheduled. decays: whether weight decay reaches it."""

    lr_scale: float
    schedule: str | None
    decays: bool


class ScheduledOptimizer:
    """torch's optimizer, with one group of kernels, which decay, and one of biases and normalization, which do not,
    for each of the method's groups.

    Raises FewLabError if a trainable parameter of the method is in none of its groups, or in two: it would be left as
    it is, or moved twice, without a word.
    """

    def __init__(self, method: GradientMethod, params: OptimizerParams) -> None:
        groups, self._rules = [], list[_Rule]()
        trained: list[nn.Parameter] = []
        for group in method.groups():
            parameters = group.trainable()
            trained += parameters
            kernels, others = [p for p in parameters if p.ndim > 1], [p for p in parameters if p.ndim <= 1]
            for part, decays in ((kernels, group.weight_decay), (others, False)):
                if part:
                    decay = params.weight_decay if decays else 0.0
                    groups.append({"params": part, "weight_decay": decay, "lr_scale": group.lr_scale})
                    self._rules.append(_Rule(group.lr_scale, group.schedule, decays))
        _check_cover(method, trained)
        self.torch: torch.optim.Optimizer = optimizers[params.name].make(groups, params)

    def schedule(self, params: OptimizerParams, step: int, steps: int) -> None:
        """Set every group's learning rate and weight decay for the 0-based `step` of `steps`."""
        decay = weight_decay(params, step, steps)
        for group, rule in zip(self.torch.param_groups, self._rules, strict=True):
            group["lr"] = learning_rate(params, step, steps, rule.schedule) * rule.lr_scale
            if params.weight_decay_end is not None and rule.decays:
                group["weight_decay"] = decay

    def restart(self) -> None:
        """Forget momentum and moments."""
        self.torch.state.clear()


def learning_rate(params: OptimizerParams, step: int, steps: int, schedule: str | None = None) -> float:
    """The rate of the 0-based `step` of `steps`: linear warm-up, times the schedule (or another one, by name), times
    lr.
    """
    warmup = min(1.0, (step + 1) / params.warmup_steps) if params.warmup_steps else 1.0
    chosen = params.schedule if schedule is None else schedules[schedule].Params()
    return float(params.lr * warmup * schedules[chosen.name].factor(chosen, step, steps))


def weight_decay(params: OptimizerParams, step: int, steps: int) -> float:
    """Constant, or along half a cosine from `weight_decay` to `weight_decay_end` (DINO, Caron et al. 2021,
    arXiv:2104.14294).
    """
    if params.weight_decay_end is None:
        return params.weight_decay
    share = (1 + math.cos(math.pi * step / steps)) / 2
    return params.weight_decay_end + (params.weight_decay - params.weight_decay_end) * share


def _check_cover(method: GradientMethod, trained: list[nn.Parameter]) -> None:
    times = Counter(map(id, trained))
    for name, parameter in method.named_parameters():
        if parameter.requires_grad and times[id(parameter)] != 1:
            where = "two" if times[id(parameter)] else "none"
            raise FewLabError(
                f"The parameter {name} of {method.params.name} is in {where} of the method's groups: its `groups` must"
                " hold each trainable parameter once."
            )
