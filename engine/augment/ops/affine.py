"""Rotation, shear and translation of every sample as one matrix and one resampling."""

from __future__ import annotations

from functools import reduce
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from engine.augment.ops.batch_rows import on_device, put_rows, take_rows
from engine.augment.ops.operation_plan import CODE, GEOMETRY, Floats, Ints, Plan

Interpolation = Literal["nearest", "bilinear"]


def warp(images: Tensor, plan: Plan, interpolation: Interpolation) -> Tensor:
    """All geometric operations of each sample, composed in their order; other operations are passed over, samples
    without any are untouched.

    images: uint8 [B, C, H, W]. Returns the same, rounded to whole values; what comes from outside the image is black.
    One operation alone equals torchvision's `rotate` about the centre, `affine` with a shear about the top left corner
    (as in AutoAugment), or `affine` with a translation. Two are resampled once instead of twice.
    """
    rows = plan.rows(GEOMETRY)
    if not rows.size:
        return images
    height, width = images.shape[2:]
    part = take_rows(images, rows).float()  # [R, C, H, W]
    matrices = sources(plan.operations[rows], plan.amounts[rows], height, width)
    return put_rows(images, rows, read(part, matrices, centered(height), centered(width), interpolation))


def read(
    pixels: Tensor, matrices: Floats, down: Floats, across: Floats, interpolation: Interpolation = "bilinear"
) -> Tensor:
    """Pixels [B, C, H, W] in 0..255 read at the places where `matrices` [B, 3, 3] put a raster: uint8, rounded, black
    from outside.

    down: [H] or [B, H], across: [W] or [B, W]: the raster's rows and columns, in pixels from the image's centre.
    """
    grid = _grid(matrices, down, across, pixels)
    return to_bytes(F.grid_sample(pixels, grid, mode=interpolation, padding_mode="zeros", align_corners=False).round_())


def centered(side: int) -> Floats:
    """The places of a side's pixels, from its centre."""
    return np.arange(side, dtype=np.float64) - (side - 1) / 2


def to_bytes(pixels: Tensor) -> Tensor:
    """Floats in [0, 256) to uint8, cut off below the point. By way of int16: the direct conversion is not vectorized
    and takes three times as long.
    """
    return pixels.to(torch.int16).to(torch.uint8)


def sources(operations: Ints, amounts: Floats, height: int, width: int) -> Floats:
    """Where a pixel of the result comes from: float64 [B, 3, 3], from (x, y, 1) to (x, y, 1), in pixels from the
    image's centre.
    """

    def of(name: str) -> Floats:
        chosen: Floats = amounts * (operations == CODE[name])  # [B, n]
        return chosen

    angle, shear_x, shear_y = np.radians(of("rotate")), of("shear_x"), of("shear_y")
    steps = np.zeros((*operations.shape, 3, 3))  # [B, n, 3, 3]
    # At most one term of each sum differs from the identity's.
    steps[..., 0, 0] = steps[..., 1, 1] = np.cos(angle)
    steps[..., 0, 1] = shear_x - np.sin(angle)
    steps[..., 1, 0] = shear_y + np.sin(angle)
    steps[..., 0, 2] = shear_x * (height / 2) - of("translate_x")
    steps[..., 1, 2] = shear_y * (width / 2) - of("translate_y")
    steps[..., 2, 2] = 1
    # The last operation looks into the result of the one before it, so its step is taken first.
    composed: Floats = reduce(np.matmul, np.moveaxis(steps, 1, 0))
    return composed


def _grid(matrices: Floats, down: Floats, across: Floats, like: Tensor) -> Tensor:
    """grid_sample's coordinates, float32 [B, H, W, 2] in -1..1."""
    height, width = like.shape[2:]
    scaled = matrices[:, :2] * np.array([[2 / width], [2 / height]])
    pairs: npt.NDArray[Any] = scaled[:, 0] + 1j * scaled[:, 1]  # [B, 3]
    along = pairs[:, :1] * across  # [B, W]
    below = pairs[:, 1:2] * down + pairs[:, 2:]  # [B, H]
    # A sum of complex numbers lays x and y side by side in one vectorized pass; affine_grid's matrix product takes
    # twenty times as long.
    total = (
        on_device(along.astype(np.complex64), like)[:, None, :]
        + on_device(below.astype(np.complex64), like)[:, :, None]
    )
    return torch.view_as_real(total)
