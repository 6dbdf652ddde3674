"""Reflect-pad, random crop and horizontal flip of a batch, as one gather of whole pixels."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def shift_flip(images: Tensor, down: NDArray[np.int64], right: NDArray[np.int64], flip: NDArray[np.bool_]) -> Tensor:
    """Move every picture by whole pixels, the border reflected as in reflect-padding, then mirror those marked in `flip`.

    images: [B, C, H, W], any type. down, right: int64 [B], pixels in -(H-1)..H-1 and -(W-1)..W-1. flip: bool [B]. Exact; same type.
    """
    b, c, h, w = images.shape
    x = np.arange(w)
    y = _reflect(np.arange(h) - down[:, None], h)  # [B, H]
    x = _reflect(np.where(flip[:, None], w - 1 - x, x) - right[:, None], w)  # [B, W]
    places = torch.from_numpy((y[:, :, None] * w + x[:, None, :]).reshape(b, 1, h * w))
    if images.device.type != "cpu":
        places = places.to(images.device, non_blocking=True)
    return images.reshape(b, c, h * w).gather(2, places.expand(b, c, h * w)).view(b, c, h, w)


def _reflect(places: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    return size - 1 - np.abs(size - 1 - np.abs(places))


def draw_shift_flip(uniform: NDArray[np.float64], translate: float, mirror: bool, height: int, width: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Three columns of uniform numbers [B, 3] to shifts of up to `translate` of the side, rounded to whole pixels, and fair flips."""
    most_down, most_right = round(translate * height), round(translate * width)
    down = (uniform[:, 0] * (2 * most_down + 1)).astype(np.int64) - most_down
    right = (uniform[:, 1] * (2 * most_right + 1)).astype(np.int64) - most_right
    return down, right, (uniform[:, 2] < 0.5) & mirror
