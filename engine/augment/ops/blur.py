"""Gaussian blur, every image with its own width."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from engine.augment.ops.batch_rows import on_device, put_rows, take_rows
from engine.augment.ops.operation_plan import Floats


def blur(images: Tensor, sigma: Floats, kernel: int) -> Tensor:
    """Convolve with a Gaussian cut off at `kernel` pixels (odd); beyond its edges an image is reflected. Equals
    torchvision's but for the last bit.

    images: uint8 [B, C, H, W], sides above kernel / 2. sigma: float64 [B] in pixels; an image with 0 is left as it is.
    Returns the same.
    """
    rows = np.flatnonzero(sigma > 0)
    if not rows.size or kernel < 2:
        return images
    part = take_rows(images, rows).float()  # [R, C, H, W]
    count, channels, height, width = part.shape
    offsets = np.arange(kernel) - kernel // 2
    weights = np.exp(-0.5 * (offsets / sigma[rows, None]) ** 2)  # [R, kernel]
    # [R * C, kernel]
    bells = on_device((weights / weights.sum(1, keepdims=True)).astype(np.float32), images).repeat_interleave(
        channels, 0
    )
    padded = F.pad(part, (kernel // 2,) * 4, mode="reflect").view(
        1, count * channels, height + kernel - 1, width + kernel - 1
    )
    # One group per image and channel; a column, then a row, is the whole square at a fraction of the price.
    down = F.conv2d(padded, bells[:, None, :, None], groups=count * channels)
    both = F.conv2d(down, bells[:, None, None, :], groups=count * channels)
    return put_rows(images, rows, both.view(part.shape).round_().to(torch.uint8))
