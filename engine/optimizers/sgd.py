"""sgd: stochastic gradient descent with momentum."""

from __future__ import annotations

from typing import Any, Literal

import torch
from pydantic import model_validator

from engine.config.parts import OptimizerParams
from engine.config.settings import param
from engine.errors import ConfigError
from engine.optimizers.optimizer import Optimizer
from engine.registry import optimizers


@optimizers.register
class SGD(Optimizer):
    """Stochastic gradient descent with (Nesterov's) momentum; weight decay is L2 in the gradient."""

    class Params(OptimizerParams):
        """Stochastic gradient descent with momentum; weight decay is L2 in the gradient."""

        name: Literal["sgd"] = "sgd"
        lr: float = param(
            0.1, gt=0, le=10, symbol="η", live=True, log=True, help="Learning rate at the start of the schedule."
        )
        momentum: float = param(0.9, ge=0, lt=1, search=(0.5, 0.99), advanced=True, help="Momentum coefficient.")
        nesterov: bool = param(True, advanced=True, help="Nesterov's momentum; needs momentum above 0.")

        @model_validator(mode="after")
        def _nesterov_needs_momentum(self) -> SGD.Params:
            if self.nesterov and self.momentum == 0:
                raise ConfigError(
                    "Nesterov's momentum needs momentum above 0: switch optimizer.nesterov off or raise"
                    " optimizer.momentum."
                )
            return self

    @staticmethod
    def make(groups: list[dict[str, Any]], params: Params) -> torch.optim.Optimizer:
        return torch.optim.SGD(groups, lr=params.lr, momentum=params.momentum, nesterov=params.nesterov)
