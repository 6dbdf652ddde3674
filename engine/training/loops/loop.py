"""What a step is: for a method with an optimizer, a batch, a loss and an update; for a fitted one, an iteration over
the whole pool.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from torch import nn

from engine.config.run_config import RunConfig
from engine.methods.base.batch import Batch
from engine.methods.base.context import StepContext
from engine.methods.base.method import StepResult
from engine.training.evaluation.feature_cache import Told


def is_logged(done: int, steps: int) -> bool:
    """Whether the curves of a run of so many steps get a point after `done` of them."""
    return done % max(5, steps // 1000) == 0 or done in (1, steps)


class TrainingLoop(ABC):
    """How one run's method gets from step to step. `begin` comes before the first step, after `load_state` if there is
    one.
    """

    images_per_step: int
    steps_per_epoch: int = 1

    @abstractmethod
    def begin(self, told: Told) -> None:
        """told: hears how far it is where it takes long, and may raise to stop; what was done by then is not lost."""

    @abstractmethod
    def run_step(self, now: StepContext, config: RunConfig) -> StepResult:
        """One step, with the settings as they are now."""

    @abstractmethod
    def served(self) -> nn.Module:
        """What is evaluated and kept: [B, C, H, W] to (features, logits or None)."""

    def projection_head(self) -> nn.Module | None:
        """The method's projection head as it goes with `served`; None where it has none."""
        return None

    @abstractmethod
    def batch(self, now: StepContext) -> Batch | None:
        """The batch of a step, made again if need be; None where there is none."""

    @abstractmethod
    def state(self) -> dict[str, Any]: ...

    @abstractmethod
    def load_state(self, state: dict[str, Any]) -> None: ...
