"""Quarter turns of images, for methods that learn to recognize them."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.metrics import Metric

TURNS = 4
ROTATION_LOSS = Metric(
    "loss/rotation",
    "Rotation loss",
    "Cross-entropy of recognizing by which quarter turns a view was rotated.",
    unit="nats",
    better="lower",
    chart="loss",
    legend="rotation",
)


def rotations(images: Tensor) -> Tensor:
    """[4, N, C, H, W]: square images [N, C, H, W] as they are and rotated by 90, 180 and 270 degrees counterclockwise,
    pixel by pixel.
    """
    return torch.stack([images.rot90(turn, (2, 3)) for turn in range(TURNS)])


def rotated(images: Tensor, turns: Tensor) -> Tensor:
    """Each image [C, H, W], H = W, by its number of quarter turns, counterclockwise. turns: int64 [N] in 0..3."""
    return rotations(images)[turns, torch.arange(len(images), device=images.device)]
