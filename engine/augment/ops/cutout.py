"""Cutout: a grey square over every image (DeVries & Taylor 2017, arXiv:1708.04552)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from engine.augment.ops.batch_rows import on_device
from engine.augment.ops.operation_plan import Floats, Ints

GREY = 127
"""The middle of 0..255, rounded down as in FixMatch's code."""


class Hole(NamedTuple):
    """Top left corner of each sample's square, on the CPU; it may lie outside the image. top, left: int64 [B]. side:
    pixels.
    """

    top: Ints
    left: Ints
    side: int


def hole_of(chance: Floats, height: int, width: int, share: float) -> Hole:
    """Squares from uniform numbers in [0, 1): chance [2, B]. share: the square's side by the image's shorter one.

    The centre is uniform over all pixels, so near a border part of the square is lost.
    """
    side = round(share * min(height, width))
    top, left = (
        np.floor(part * length).astype(np.int64) - side // 2
        for part, length in zip(chance, (height, width), strict=True)
    )
    return Hole(top, left, side)


def cut_out(images: Tensor, hole: Hole) -> Tensor:
    """images: [B, C, H, W], uint8 or float in [0, 1], not changed. Returns them with the part of each square inside the
    image grey.
    """
    height, width = images.shape[2:]
    rows = np.arange(height) - hole.top[:, None]  # [B, H]
    columns = np.arange(width) - hole.left[:, None]  # [B, W]
    in_rows, in_columns = (
        on_device(((offset >= 0) & (offset < hole.side)).view(np.uint8), images) for offset in (rows, columns)
    )
    inside = (in_rows[:, None, :, None] * in_columns[:, None, None, :]).neg_()  # [B, 1, H, W]: 0 or, -1 in a byte, 255
    # Bit operations and products are vectorized; masked_fill and where take ten times as long.
    if images.dtype == torch.uint8:
        return (images & ~inside).bitwise_or_(inside & GREY)
    return (images * (~inside).float().div_(255)).add_((inside & GREY).float().div_(255))
