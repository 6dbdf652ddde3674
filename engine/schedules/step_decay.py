"""step_decay: the learning rate drops at stated points of the run."""

from __future__ import annotations

import itertools
from typing import Any, Literal

from pydantic import field_validator

from engine.config.parts import ScheduleParams
from engine.config.settings import param
from engine.errors import ConfigError
from engine.registry import schedules
from engine.schedules.schedule import Schedule


@schedules.register
class StepDecay(Schedule):
    """lr · γ^m, m the number of milestones passed: the schedule of Wide ResNets (Zagoruyko & Komodakis 2016,
    arXiv:1605.07146) and of many partial-label papers.
    """

    class Params(ScheduleParams):
        name: Literal["step_decay"] = "step_decay"
        milestones: tuple[float, ...] = param(
            (0.3, 0.6, 0.8), help="Shares of the run after which the learning rate drops, in rising order."
        )
        gamma: float = param(0.2, gt=0, le=1, symbol="γ", help="What it is multiplied by at each milestone.")

        @field_validator("milestones")
        @classmethod
        def _rising_shares(cls, milestones: tuple[float, ...]) -> Any:
            rising = all(a < b for a, b in itertools.pairwise(milestones))
            if not rising or not all(0 < share < 1 for share in milestones):
                raise ConfigError(
                    f"milestones are {', '.join(map(str, milestones))[:80]} but must be shares of the run between 0 and"
                    " 1, in rising order."
                )
            return milestones

    @staticmethod
    def factor(params: Params, step: int, steps: int) -> float:
        return float(params.gamma ** sum(step >= milestone * steps for milestone in params.milestones))
