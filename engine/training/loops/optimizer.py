"""The optimizer over a method's groups of parameters, and its schedule."""

from __future__ import annotations

import math

import torch

from engine.config.parts import OptimizerParams
from engine.methods.base.method import GradientMethod, decayed
from engine.registry import optimizers


def learning_rate(params: OptimizerParams, step: int, steps: int) -> float:
    """The rate of the 0-based `step` of `steps`: linear warm-up times lr·cos(7πk/16K) (Sohn et al. 2020, section 2.4),
    or constant.
    """
    warmup = min(1.0, (step + 1) / params.warmup_steps) if params.warmup_steps else 1.0
    decay = math.cos(7 * math.pi * step / (16 * steps)) if params.schedule == "cosine" else 1.0
    return params.lr * warmup * decay


def make_optimizer(method: GradientMethod, params: OptimizerParams) -> torch.optim.Optimizer:
    """One group of kernels, which decay, and one of biases and normalization, which do not, for each of the method's
    groups.
    """
    groups = []
    for group in method.groups():
        kernels, others = decayed(group.modules)
        for parameters, decay in ((kernels, params.weight_decay if group.weight_decay else 0.0), (others, 0.0)):
            if parameters:
                groups.append({"params": parameters, "weight_decay": decay, "lr_scale": group.lr_scale})
    made: torch.optim.Optimizer = optimizers[params.name].make(groups, params)
    return made


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate * group["lr_scale"]
