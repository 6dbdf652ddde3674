"""cosine_annealing: half a cosine's period, down to any floor."""

from __future__ import annotations

import math
from typing import Literal

from engine.config.parts import ScheduleParams
from engine.config.settings import param
from engine.registry import schedules
from engine.schedules.schedule import Schedule


@schedules.register
class CosineAnnealing(Schedule):
    """lr · (f + (1 - f)(1 + cos(πk/K)) / 2) (Loshchilov & Hutter 2017, SGDR, arXiv:1608.03983, eq. 5, without
    restarts).
    """

    class Params(ScheduleParams):
        name: Literal["cosine_annealing"] = "cosine_annealing"
        floor: float = param(
            0.0, ge=0, le=1, symbol="f", help="Learning rate at the end of the run, as a share of the start."
        )

    @staticmethod
    def factor(params: Params, step: int, steps: int) -> float:
        return params.floor + (1 - params.floor) * (1 + math.cos(math.pi * step / steps)) / 2
