"""constant: the learning rate as it is."""

from __future__ import annotations

from typing import Literal

from engine.config.parts import ScheduleParams
from engine.registry import schedules
from engine.schedules.schedule import Schedule


@schedules.register
class Constant(Schedule):
    """The learning rate of the start throughout."""

    class Params(ScheduleParams):
        name: Literal["constant"] = "constant"

    @staticmethod
    def factor(params: Params, step: int, steps: int) -> float:
        return 1.0
