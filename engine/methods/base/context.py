"""What a method knows of the run: where it is, and what the data asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from engine.derived_seed import derive


@dataclass(frozen=True)
class StepContext:
    """Where the run is: the only clock and the only source of chance."""

    seed: int
    step: int  # 0-based
    steps: int
    steps_per_epoch: int = 1
    logged: bool = True  # whether the curves get a point after this step: figures that are dear are made only then

    @property
    def progress(self) -> float:
        """Share of the run that is done, 0 at the first step."""
        return self.step / self.steps

    @property
    def epoch(self) -> int:
        """Passes over the data before this step's, 0 in the first."""
        return self.step // self.steps_per_epoch

    @property
    def new_epoch(self) -> bool:
        """Whether this is the first step of its epoch."""
        return self.step % self.steps_per_epoch == 0

    def rng(self, name: str) -> torch.Generator:
        """A CPU generator derived from (seed, name, step): nothing of it needs saving."""
        return torch.Generator().manual_seed(self.derive(name))

    def derive(self, name: str) -> int:
        """A 63-bit seed from (seed, name, step)."""
        return derive(self.seed, name, self.step)


class TaskSpec(NamedTuple):
    """What the data asks: classes, channels, pixels, and how many images each pool has, by the pool's name.

    candidates: bool [n, K] by row of the pool, where the data has partial labels; None also where a trained model is
    only used.
    """

    classes: int
    channels: int
    size: int
    counts: dict[str, int]
    batch_size: int
    candidates: Tensor | None = None
