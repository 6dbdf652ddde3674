"""What a schedule is: a factor of the learning rate for every step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from engine.config.parts import ScheduleParams


class Schedule(ABC):
    """Registered with `engine.registry.schedules`. Warm-up is the optimizer's and multiplies it."""

    Params: ClassVar[type[ScheduleParams]]

    @staticmethod
    @abstractmethod
    def factor(params: Any, step: int, steps: int) -> float:
        """What the learning rate is multiplied by in the 0-based `step` of `steps`. params: of class Params."""
