"""lars: SGD whose rate follows each layer's own scale, for batches of thousands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor

from engine.config.parts import OptimizerParams
from engine.config.settings import param
from engine.optimizers.optimizer import Optimizer
from engine.registry import optimizers


@optimizers.register
class LARS(Optimizer):
    """Layer-wise adaptive rate scaling (You et al. 2017, arXiv:1708.03888), as SimCLR and BYOL use it: biases and
    normalization get plain momentum SGD.

    v ← m v + η · r (g + β w), w ← w - v, with the trust ratio r = c ‖w‖ / ‖g + β w‖ for kernels, and 1 where either
    norm is 0. The decay stands inside the norm, as in the authors' code for SimCLR; the paper's ‖g‖ + β ‖w‖ bounds it
    from above.
    """

    class Params(OptimizerParams):
        """Layer-wise adaptive rate scaling (You et al. 2017, arXiv:1708.03888), for very large batches."""

        name: Literal["lars"] = "lars"
        lr: float = param(
            0.3, gt=0, le=100, symbol="η", live=True, log=True, help="Learning rate at the start of the schedule."
        )
        momentum: float = param(0.9, ge=0, lt=1, advanced=True, help="Momentum coefficient.")
        trust: float = param(
            0.001, gt=0, le=1, symbol="c", advanced=True, help="Trust coefficient: a layer's step, as a share of it."
        )

    @staticmethod
    def make(groups: list[dict[str, Any]], params: Params) -> torch.optim.Optimizer:
        return _LARS(groups, params.lr, params.momentum, params.trust)


class _LARS(torch.optim.Optimizer):
    def __init__(self, groups: list[dict[str, Any]], lr: float, momentum: float, trust: float) -> None:
        super().__init__(groups, {"lr": lr, "momentum": momentum, "trust": trust, "weight_decay": 0.0})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]  # the trainer passes no closure
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move(parameter, group)

    def _move(self, parameter: Tensor, group: dict[str, Any]) -> None:
        assert parameter.grad is not None
        gradient = parameter.grad.add(parameter, alpha=group["weight_decay"])
        if parameter.ndim > 1:
            size, slope = parameter.norm(), gradient.norm()
            ratio = torch.where((size > 0) & (slope > 0), group["trust"] * size / slope, 1.0)
            gradient = gradient * ratio
        state = self.state[parameter]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(parameter)
        state["momentum"].mul_(group["momentum"]).add_(gradient, alpha=group["lr"])
        parameter.sub_(state["momentum"])
