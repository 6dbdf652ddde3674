"""adamw: Adam with decoupled weight decay."""

from __future__ import annotations

from typing import Any, Literal

import torch

from engine.config.parts import OptimizerParams
from engine.config.settings import param
from engine.optimizers.optimizer import Optimizer
from engine.registry import optimizers


@optimizers.register
class AdamW(Optimizer):
    """AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101); weight decay is decoupled from the gradient."""

    class Params(OptimizerParams):
        """AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101); weight decay is decoupled from the gradient."""

        name: Literal["adamw"] = "adamw"
        lr: float = param(
            0.001, gt=0, le=10, symbol="η", live=True, log=True, help="Learning rate at the start of the schedule."
        )
        beta1: float = param(0.9, ge=0, lt=1, symbol="β₁", advanced=True, help="Decay of the first moment.")
        beta2: float = param(0.999, ge=0, lt=1, symbol="β₂", advanced=True, help="Decay of the second moment.")

    @staticmethod
    def make(groups: list[dict[str, Any]], params: Params) -> torch.optim.Optimizer:
        return torch.optim.AdamW(groups, lr=params.lr, betas=(params.beta1, params.beta2))
