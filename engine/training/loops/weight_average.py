"""The moving average of the weights that is evaluated and kept."""

from __future__ import annotations

import copy

import torch
from torch import nn


class WeightAverage:
    """Exponential moving average of a module: floating parameters and buffers are averaged, the rest copied.

    The decay is min(d, (1 + t) / (10 + t)) after t updates, so that a short run does not keep its random start.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.module = copy.deepcopy(module).eval().requires_grad_(False)
        # Paired once: the tensors are updated in place for the whole run.
        averaged, current = (each.state_dict(keep_vars=True).values() for each in (self.module, module))
        pairs = list(zip(averaged, current, strict=True))
        floating = [(a.data, b.data) for a, b in pairs if a.is_floating_point()]
        self._averaged, self._current = [a for a, _ in floating], [b for _, b in floating]
        self._copied = [(a.data, b.data) for a, b in pairs if not a.is_floating_point()]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after the 0-based `step`."""
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self._averaged, self._current, 1 - decay)
        for target, source in self._copied:
            target.copy_(source)

    @torch.no_grad()
    def restart(self) -> None:
        """Begin again from the weights as they are."""
        for target, source in (*zip(self._averaged, self._current, strict=True), *self._copied):
            target.copy_(source)
