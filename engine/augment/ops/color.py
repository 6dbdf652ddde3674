"""Color operations on uint8, every sample with its own: each equals torchvision's at the same parameter, bit for bit on
the CPU.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from engine.augment.ops.batch_rows import on_device, put_rows, take_rows
from engine.augment.ops.operation_plan import BLENDS, COLORS, Ints, Plan

LUMA = (0.2989, 0.587, 0.114)
"""Weights of red, green and blue in an image's grey, as in torchvision."""

EQUALIZE_FROM = 256
"""Pixels an image must have for `equalize` to do anything: Pillow spreads whole 255ths of the pixels that are not of
the brightest value.
"""


def recolor(images: Tensor, plan: Plan) -> Tensor:
    """The color operations of each sample in their order; other operations are passed over.

    images: uint8 [B, C, H, W], C 1 or 3, not changed. Returns the same. On a GPU the last bit may differ from
    torchvision's.
    """
    for rows, amounts, counts in _rounds(plan):
        part = take_rows(images, rows)  # [R, C, H, W]
        amount = on_device(amounts, images).view(-1, 1, 1, 1)  # [R, 1, 1, 1]
        blends = sum(counts[: len(BLENDS)])
        if blends:
            _blend_(part[:blends], amount[:blends], counts)
        places = torch.split(part[blends:], counts[len(BLENDS) :])
        settings = torch.split(amount[blends:], counts[len(BLENDS) :])
        for pixels, setting, operation in zip(
            places, settings, (_posterize_, _solarize_, _auto_contrast_, _equalize_, _hue_), strict=True
        ):
            if pixels.shape[0]:
                operation(pixels, setting)
        images = put_rows(images, rows, part)
    return images


def _rounds(plan: Plan) -> Iterator[tuple[Ints, npt.NDArray[np.float32], list[int]]]:
    """First each sample's first color operation, then each sample's second, ...: (rows [R], amounts float32 [R], how
    many of each of COLORS).

    Within a round, rows are sorted by operation, so that each operation works on one slice.
    """
    colors = plan.operations < len(COLORS)  # [B, n]
    rows, slots = colors.nonzero()
    operations = plan.operations[rows, slots]
    turns = (colors.cumsum(1) - 1)[rows, slots]
    keys = turns * len(COLORS) + operations
    order = keys.argsort(kind="stable")
    rows, amounts = rows[order], plan.amounts[rows, slots][order].astype(np.float32)
    start = 0
    for counts in np.bincount(keys, minlength=plan.operations.shape[1] * len(COLORS)).reshape(-1, len(COLORS)).tolist():
        end = start + sum(counts)
        if end > start:
            yield rows[start:end], amounts[start:end], counts
        start = end


def _blend_(pixels: Tensor, factor: Tensor, counts: list[int]) -> None:
    """Brightness, contrast, color and sharpness, in this order of rows: factor * image + (1 - factor) * (black, mean
    grey, grey, blurred).
    """
    x, rest = pixels.float(), factor.neg().add_(1)
    brightness, contrast, color = counts[:3]
    first, second, third = brightness, brightness + contrast, brightness + contrast + color
    grey = _grey(x[first:third])  # [r, 1, H, W]
    # torchvision multiplies, then adds the scaled other image with one rounding: addcmul_ rounds the same, `factor *
    # x + rest * y` does not.
    x[:third].mul_(factor[:third])
    if contrast:
        x[first:second].addcmul_(grey[:contrast].mean((1, 2, 3), keepdim=True), rest[first:second])
    if color and x.shape[1] == 3:
        x[second:third].addcmul_(grey[contrast:], rest[second:third])
    elif color:
        x[second:third] = pixels[second:third].float()  # a grey image has no color to lose
    if third < x.shape[0]:
        inner = x[third:, :, 1:-1, 1:-1]
        inner.addcmul_(_blurred(x[third:]).sub_(inner), rest[third:])
    pixels.copy_(x.clamp_(0, 255).to(torch.int16))


def _grey(x: Tensor) -> Tensor:
    """float [R, C, H, W] in 0..255 to its grey, [R, 1, H, W], cut off to whole values."""
    if x.shape[1] == 1:
        return x.clone()
    return x[:, :1].mul(LUMA[0]).add_(x[:, 1:2], alpha=LUMA[1]).add_(x[:, 2:], alpha=LUMA[2]).floor_()


def _blurred(x: Tensor) -> Tensor:
    """Mean of each inner pixel and its eight neighbours, the pixel itself five times, in whole values: [R, C, H - 2, W
    - 2].
    """
    across = x[:, :, :-2] + x[:, :, 1:-1] + x[:, :, 2:]
    total = across[..., :-2] + across[..., 1:-1] + across[..., 2:]
    # Thirteenths are never halfway between whole values, so any order of summation rounds alike.
    return total.add_(x[:, :, 1:-1, 1:-1], alpha=4).div_(13).round_()


def _posterize_(pixels: Tensor, bits: Tensor) -> None:
    """Keeps the highest bits."""
    pixels.bitwise_and_((256 - torch.exp2(8 - bits)).to(torch.uint8))


def _solarize_(pixels: Tensor, threshold: Tensor) -> None:
    """Inverts pixels at or above the threshold."""
    bright = (pixels >= threshold).view(torch.uint8)
    pixels.bitwise_xor_(bright.neg_())  # -1 is 255: all bits


def _auto_contrast_(pixels: Tensor, _: Tensor) -> None:
    """Stretches each channel to 0..255; a channel of one value stays."""
    least, greatest = torch.aminmax(pixels.flatten(2), dim=2)
    darkest = least[..., None, None].float()  # [R, C, 1, 1]
    scale = greatest[..., None, None].float().sub_(darkest).mul_(1 / 255)
    flat = scale == 0
    pixels.copy_(pixels.float().sub_(darkest.masked_fill_(flat, 0)).div_(scale.masked_fill_(flat, 1)).to(torch.int16))


def _equalize_(pixels: Tensor, _: Tensor) -> None:
    """Spreads each channel's values so that their histogram becomes flat (Pillow's integer arithmetic)."""
    values = pixels.flatten(2).long()  # [R, C, P]
    if values.shape[2] < EQUALIZE_FROM:
        return
    counts = torch.zeros((*values.shape[:2], 257), dtype=torch.int32, device=pixels.device)
    counts[..., 1:].scatter_add_(2, values, counts.new_ones(1).expand(values.shape))
    darker = counts.cumsum(2, dtype=torch.int32)[..., :256]  # [R, C, 256]: pixels below each value
    step = torch.div(darker.gather(2, values.amax(2, keepdim=True)), 255, rounding_mode="floor")  # [R, C, 1]
    table = torch.div(
        darker + torch.div(step, 2, rounding_mode="floor"), step.clamp(min=1), rounding_mode="floor"
    ).clamp_(max=255)
    table = torch.where(step == 0, torch.arange(256, dtype=torch.int32, device=pixels.device), table).to(torch.uint8)
    pixels.copy_(table.gather(2, values).view(pixels.shape))


def _hue_(pixels: Tensor, turn: Tensor) -> None:
    """Turns every color on the circle of hues, by -0.5 to 0.5 of a full turn; greys stay. torchvision's arithmetic,
    step by step, so that it rounds alike.
    """
    if pixels.shape[1] == 1:
        return  # a grey image has no hue
    x = pixels.float().mul_(1 / 255)
    least, value = torch.aminmax(x, dim=1, keepdim=True)  # [R, 1, H, W]
    reach = value - least
    grey = reach == 0
    saturation = reach / value.masked_fill(grey, 1)
    red, green, blue = torch.split((value - x) / reach.masked_fill(grey, 1), 1, 1)
    is_red, is_green = value == x[:, :1], value == x[:, 1:2]
    sixths = torch.where(is_red, blue - green, torch.where(is_green, red + 2 - blue, green + 4 - red))
    hue = sixths.mul_(1 / 6).add_(1).fmod_(1).add_(turn).remainder_(1).mul_(6)  # 0..6
    sector = hue.floor()
    part = saturation * hue.sub_(sector)
    rest = 1 - saturation
    # Highest, lowest, falling, rising.
    levels = torch.cat((value, rest * value, (1 - part) * value, (part + rest) * value), 1).clamp_(0, 1)
    chosen = _level_of(pixels.device)[:, sector.squeeze(1).long().remainder_(6)].movedim(0, 1)  # [R, 3, H, W]
    pixels.copy_(levels.gather(1, chosen).mul_(256 - 1e-3).to(torch.int16))


@cache
def _level_of(device: torch.device) -> Tensor:
    """Which of the four levels red, green and blue have in each sixth of the circle; sent to a device once."""
    return torch.tensor([[0, 2, 1, 1, 3, 0], [3, 0, 0, 2, 1, 1], [1, 1, 3, 0, 0, 2]], device=device)
