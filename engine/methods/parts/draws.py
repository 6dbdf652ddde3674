"""Random numbers of a step: drawn on the CPU from the step's own generator, so that every device gets the same."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.to_device import to_device


def normal(like: Tensor, generator: torch.Generator) -> Tensor:
    """Standard normal numbers in the shape of `like`, on its device, in its type."""
    return to_device(torch.randn(like.shape, generator=generator, dtype=like.dtype), like.device)


def uniform(like: Tensor, generator: torch.Generator) -> Tensor:
    """Numbers in [0, 1) in the shape of `like`, on its device, in its type."""
    return to_device(torch.rand(like.shape, generator=generator, dtype=like.dtype), like.device)


def permutation(count: int, generator: torch.Generator, like: Tensor) -> Tensor:
    """int64 [count]: 0..count-1 in random order, on the device of `like`."""
    return to_device(torch.randperm(count, generator=generator), like.device)


def beta(alpha: float, count: int, generator: torch.Generator, like: Tensor) -> Tensor:
    """[count] draws from Beta(alpha, alpha), MixUp's shares, on the device of `like`, in its type: X / (X + Y) of two
    gamma draws. alpha above 0.
    """
    shapes = torch.full((2, count), alpha, dtype=torch.float64)
    first, second = torch._standard_gamma(shapes, generator=generator)
    # Of tiny alphas both can underflow to 0; such a draw is at one end or the other.
    total = first + second
    share = torch.where(total > 0, first / total.clamp_min(torch.finfo(total.dtype).tiny), 0.5)
    return to_device(share.to(like.dtype), like.device)
