"""Streams: endless seeded batches of row numbers from one pool, pass after pass."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.derived_seed import derive


class RowSampler:
    """Batches of rows of a pool of `size` images; the batch of a step follows from (seed, name, step) alone.

    Within a pass no row comes twice, and a batch never crosses two passes: the remainder of a pass is dropped. A pool
    smaller than the batch is repeated, each repetition in a fresh order, so that every row comes equally often up to
    one.
    """

    def __init__(self, size: int, batch: int, seed: int, name: str) -> None:
        self.size, self.batch, self.seed, self.name = size, batch, seed, name
        self._pass, self._order = -1, torch.empty(0, dtype=torch.int64)

    @property
    def steps_per_pass(self) -> int:
        return max(1, self.size // self.batch)

    def rows(self, step: int) -> Tensor:
        """int64 [batch], rows 0..size-1, of the 0-based step."""
        number, position = divmod(step, self.steps_per_pass)
        if number != self._pass:
            self._pass, self._order = number, self._permutations(number)
        return self._order[position * self.batch : (position + 1) * self.batch]

    def _permutations(self, number: int) -> Tensor:
        generator = torch.Generator().manual_seed(derive(self.seed, f"order/{self.name}", number))
        repeats = -(-self.batch // self.size)
        return torch.cat([torch.randperm(self.size, generator=generator) for _ in range(max(1, repeats))])
