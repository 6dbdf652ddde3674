"""Flip and shift: every image mirrored or not, moved by whole pixels, its edges continued by reflection. Pixels stay
uint8 and exact.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from engine.augment.ops.batch_rows import on_device


class Crop(NamedTuple):
    """Where each image's window starts on the reflected image, on the CPU. down, right: int64 [B], pixels, negative
    is up and left. flip: bool [B].
    """

    down: npt.NDArray[np.int64]
    right: npt.NDArray[np.int64]
    flip: npt.NDArray[np.bool_]


def crop_of(chance: npt.NDArray[np.float64], height: int, width: int, translate: float, flip: bool) -> Crop:
    """A crop from uniform numbers in [0, 1): chance [3, B]. Shifts are uniform over the whole pixels -k..k, k =
    round(translate * side).
    """
    most_down, most_right = round(translate * height), round(translate * width)
    return Crop(
        down=np.floor(chance[0] * (2 * most_down + 1)).astype(np.int64) - most_down,
        right=np.floor(chance[1] * (2 * most_right + 1)).astype(np.int64) - most_right,
        flip=(chance[2] < 0.5) & flip,
    )


def flip_and_crop(images: Tensor, crop: Crop) -> Tensor:
    """Mirror the image if `flip`, then look at it through a window moved `down` and `right`; beyond its edges it is
    reflected, without repeating the edge.

    images: uint8 [B, C, H, W]. Returns the same. A shift must be smaller than its side.
    """
    count, channels, height, width = images.shape
    rows = _reflect(np.arange(height) + crop.down[:, None], height)  # [B, H]
    columns = _reflect(np.arange(width) + crop.right[:, None], width)  # [B, W]
    columns = np.abs(crop.flip[:, None] * (width - 1) - columns)
    # One index per pixel, shared by the channels: a gather of bytes is several times faster here than padding and
    # slicing.
    positions = on_device(rows * width, images)[:, :, None] + on_device(columns, images)[:, None, :]  # [B, H, W]
    return images.flatten(2).gather(2, positions.view(count, 1, -1).expand(-1, channels, -1)).view(images.shape)


def _reflect(positions: npt.NDArray[Any], side: int) -> npt.NDArray[Any]:
    """..., -2, -1, 0, 1 becomes ..., 2, 1, 0, 1 and the same at the far end."""
    result: npt.NDArray[Any] = side - 1 - np.abs(side - 1 - np.abs(positions))
    return result


def uniform(generator: torch.Generator, count: int, batch: int) -> npt.NDArray[np.float64]:
    """float64 [count, batch] in [0, 1). float64, so that floor(u * n) never reaches n."""
    numbers: npt.NDArray[np.float64] = torch.rand((count, batch), dtype=torch.float64, generator=generator).numpy()
    return numbers
