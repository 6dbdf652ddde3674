"""cosine: the schedule of FixMatch, seven sixteenths of a cosine's period."""

from __future__ import annotations

import math
from typing import Literal

from engine.config.parts import ScheduleParams
from engine.registry import schedules
from engine.schedules.schedule import Schedule


@schedules.register
class Cosine(Schedule):
    """lr · cos(7πk/16K) (Sohn et al. 2020, arXiv:2001.07685, section 2.4), which ends at 0.195 of the start."""

    class Params(ScheduleParams):
        name: Literal["cosine"] = "cosine"

    @staticmethod
    def factor(params: Params, step: int, steps: int) -> float:
        return math.cos(7 * math.pi * step / (16 * steps))
