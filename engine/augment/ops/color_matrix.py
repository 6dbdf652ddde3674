"""Color operations as one matrix: an approximation of `color` that touches every pixel once."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from engine.augment.ops.batch_rows import on_device, take_rows
from engine.augment.ops.color import LUMA
from engine.augment.ops.operation_plan import CODE, Plan

LEFT_OUT = ("sharpness", "posterize", "solarize", "equalize", "hue")
"""Not affine in a pixel's own channels, so never drawn: their share of the draws goes to the other operations."""


def recolor_folded(images: Tensor, plan: Plan) -> Tensor:
    """All color operations of each sample as one matrix, [C, C + 1], and one clamp at the end.

    images: uint8 [B, C, H, W]. Returns float32 [B, C, H, W] in [0, 1].

    brightness, contrast, color and auto_contrast are affine and keep their meaning. What is approximate: values are
    neither rounded nor cut off to 0..255 between two operations; contrast's mean and auto_contrast's extremes are those
    of the geometric stage's result, carried through the operations before, which is exact except for the extremes after
    `color` (each channel's bounds instead of its pixels). Raises ValueError if the plan holds an operation of LEFT_OUT.
    """
    if plan.rows(LEFT_OUT).size:
        raise ValueError(
            f"{', '.join(LEFT_OUT)} cannot be folded into a matrix: leave them out of the plan or use the exact"
            " operations"
        )
    channels = images.shape[1]
    pixels = images.flatten(2).float().div_(255)  # [B, C, P]
    matrix = _matrix(images, pixels, plan)  # [B, C, C + 4]
    result = torch.baddbmm(matrix[:, :, channels : channels + 1], matrix[:, :, :channels], pixels)
    return result.clamp_(0, 1).view(images.shape)


def _matrix(images: Tensor, pixels: Tensor, plan: Plan) -> Tensor:
    """[B, C, C + 4]: the matrix, the constant, and the image's mean, least and greatest value per channel, all after
    the last operation.

    The three statistics are images of one pixel: every operation moves them as it moves the constant.
    """
    count, channels = images.shape[:2]
    state = torch.zeros((count, channels, channels + 4), device=images.device)
    state[:, :, :channels] = torch.eye(channels, device=images.device)
    state[:, :, channels + 1] = pixels.mean(2)
    stretched = plan.rows(("auto_contrast",))
    if stretched.size:
        # [r, C, 2]
        bounds = torch.stack(torch.aminmax(take_rows(images, stretched).flatten(2), dim=2), 2).float().div_(255)
        state[:, :, channels + 2 :].index_copy_(0, on_device(stretched, images), bounds)
    luma = state.new_tensor(LUMA if channels == 3 else (1.0,)).view(1, channels, 1)
    luma = luma / luma.sum()
    operations = plan.operations.T  # [n, B]
    contrast, color, stretch = (
        (operations == CODE["contrast"]),
        (operations == CODE["color"]),
        (operations == CODE["auto_contrast"]),
    )
    scale = np.where((operations == CODE["brightness"]) | contrast | color, plan.amounts.T, 1.0)
    host = np.stack((scale, color * (1 - scale), contrast * (1 - scale), stretch), 1).astype(np.float32)  # [n, 4, B]
    for factors, stretches in zip(on_device(host, images)[..., None, None], stretch.any(1), strict=True):
        _then(state, factors, luma, bool(stretches))
    return state


def _then(state: Tensor, factors: Tensor, luma: Tensor, stretches: bool) -> None:
    """Put one operation of every sample behind those in `state`: each column x becomes scale * x + mix * grey(x), the
    last four are shifted.
    """
    channels = state.shape[1]
    scale, mix, lift, stretch = factors  # [B, 1, 1] each
    mean, least, greatest = torch.split(state[:, :, channels + 1 :], 1, 2)  # [B, C, 1] each
    shift = lift * (luma * mean).sum(1, keepdim=True)  # [B, 1, 1]
    if stretches:
        span = greatest - least
        usable = (stretch * span) > 0  # a channel of one value stays
        scale = torch.where(usable, 1 / span, scale)  # [B, C, 1]
        shift = torch.where(usable, -least * scale, shift)
    grey = (luma * state).sum(1, keepdim=True)  # [B, 1, C + 4]
    state.mul_(scale).addcmul_(mix, grey)
    state[:, :, channels:] += shift
