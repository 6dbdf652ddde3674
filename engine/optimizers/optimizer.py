"""What an optimizer is to the trainer: settings, and a torch optimizer over groups of parameters."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch

from engine.config.parts import OptimizerParams


class Optimizer(ABC):
    """Registered with `engine.registry.optimizers`. Its Params carry the schedule and the weight average too."""

    Params: ClassVar[type[OptimizerParams]]

    @staticmethod
    @abstractmethod
    def make(groups: list[dict[str, Any]], params: Any) -> torch.optim.Optimizer:
        """groups: torch's parameter groups, each with its own `weight_decay` and `lr_scale`. params: of class Params.

        The trainer sets every group's `lr` before each step.
        """
