"""Teachers, targets and key encoders: copies of a network that follow it slowly."""

from __future__ import annotations

import copy
import math
from typing import TypeVar

import torch
from torch import nn

M = TypeVar("M", bound=nn.Module)


def frozen_copy(module: M) -> M:
    """A copy that takes no gradient; only `ema_` moves it."""
    return copy.deepcopy(module).requires_grad_(False)


@torch.no_grad()
def ema_(target: nn.Module, source: nn.Module, decay: float, buffers: bool = True) -> None:
    """target ← decay · target + (1 - decay) · source, in place, for every parameter.

    buffers: floating buffers, such as batch norm's running statistics, follow too and counters are copied; without it
    the target keeps its own. Both must have the same state.
    """
    pairs = list(zip(target.parameters(), source.parameters(), strict=True))
    if buffers:
        states = list(zip(target.buffers(), source.buffers(), strict=True))
        pairs += [(ours, theirs) for ours, theirs in states if ours.is_floating_point()]  # type: ignore[misc]  # tensors, as parameters are
        for ours, theirs in states:
            if not ours.is_floating_point():
                ours.copy_(theirs)
    if not pairs:  # a network that only normalizes, and has no buffers to follow
        return
    torch._foreach_lerp_([ours for ours, _ in pairs], [theirs.detach() for _, theirs in pairs], 1 - decay)


def cosine_momentum(start: float, progress: float) -> float:
    """1 - (1 - start)(cos(π · progress) + 1) / 2, from `start` to 1 (BYOL, Grill et al. 2020, arXiv:2006.07733, section
    3.3).
    """
    return 1 - (1 - start) * (math.cos(math.pi * progress) + 1) / 2
