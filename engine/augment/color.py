"""Exact color operations on a batch: each picture gets its own operation and amount, and the levels that torchvision gives.

Levels are whole numbers 0..255 kept as float32: every operation computes as torchvision does on uint8, which goes through float32 too,
and no conversion stands between two operations.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from engine.augment.operations import CODE, OPERATIONS, Amounts, Codes, table

GREY = (0.2989, 0.587, 0.114)  # ITU-R 601, rounded as torchvision does
_GROUPS = ("blend", "levels", "auto_contrast", "equalize", "sharpness")
_MEMBERS = (("brightness", "color", "contrast"), ("posterize", "solarize"), ("auto_contrast",), ("equalize",), ("sharpness",))
_GROUP_OF = np.full(len(OPERATIONS), -1)
for _number, _names in enumerate(_MEMBERS):
    _GROUP_OF[table(_names)] = _number


def apply_color(levels: Tensor, codes: Codes, amounts: Amounts) -> Tensor:
    """Apply one color operation to each picture, in place; rows with another operation stay as they are.

    levels: float [B, C, H, W], whole numbers 0..255. codes: [B]. amounts: [B]; a factor for brightness, color, contrast and sharpness,
    the bits kept for posterize, the threshold for solarize, ignored for the others.
    """
    groups = _GROUP_OF[codes]
    for number, group in enumerate(_GROUPS):
        (rows,) = np.nonzero(groups == number)
        if len(rows) == 0:
            continue
        places = torch.from_numpy(rows).to(levels.device, non_blocking=True)
        changed = _FUNCTIONS[group](levels.index_select(0, places), codes[rows], amounts[rows])
        levels.index_copy_(0, places, changed)
    return levels


def grey(levels: Tensor) -> Tensor:
    """Whole grey levels [n, 1, H, W] of color pictures; grey ones as they are."""
    if levels.shape[1] == 1:
        return levels
    red, green, blue = levels.unbind(1)
    return red.mul(GREY[0]).add_(green, alpha=GREY[1]).add_(blue, alpha=GREY[2]).floor_().unsqueeze(1)


def _column(values: Amounts, like: Tensor) -> Tensor:
    return torch.from_numpy(values.astype(np.float32)).to(like.device, non_blocking=True).view(-1, 1, 1, 1)


def _blend(levels: Tensor, codes: Codes, factors: Amounts) -> Tensor:
    """f·x + (1-f)·y with y black (brightness), the picture in grey (color) or its mean grey (contrast)."""
    is_contrast, is_color = codes == CODE["contrast"], codes == CODE["color"]
    if levels.shape[1] == 1:
        factors = np.where(is_color, 1.0, factors)  # a grey picture has no color to lose
    factor = _column(factors, levels)
    mixed = levels * factor
    if is_contrast.any() or is_color.any():
        greys = grey(levels)
        mean = greys.mean((1, 2, 3), keepdim=True)
        mixed = torch.addcmul(mixed, mean, _column((1 - factors) * is_contrast, levels))
        mixed = torch.addcmul(mixed, greys, _column((1 - factors) * is_color, levels))
    return mixed.clamp_(0, 255).floor_()


def _levels(levels: Tensor, codes: Codes, amounts: Amounts) -> Tensor:
    """posterize drops low bits; solarize inverts levels at or above a threshold. Each is the identity in the other's rows."""
    step = _column(np.where(codes == CODE["posterize"], 2.0 ** (8 - amounts.astype(int).clip(0, 8)), 1.0), levels)
    threshold = _column(np.where(codes == CODE["solarize"], amounts, 256.0), levels)
    levels = levels.div_(step).floor_().mul_(step)
    return torch.where(levels >= threshold, 255 - levels, levels)


def _auto_contrast(levels: Tensor, codes: Codes, amounts: Amounts) -> Tensor:
    """Each channel stretched from its darkest and brightest level to 0 and 255; a flat channel stays."""
    darkest, brightest = levels.amin((2, 3), keepdim=True), levels.amax((2, 3), keepdim=True)
    flat = darkest == brightest
    scale = (brightest - darkest).mul_(1.0 / 255).masked_fill_(flat, 1.0)
    return levels.sub_(darkest.masked_fill_(flat, 0.0)).div_(scale).clamp_(0, 255).floor_()


def _equalize(levels: Tensor, codes: Codes, amounts: Amounts) -> Tensor:
    """Histogram equalization per channel with Pillow's integer table."""
    n, c, h, w = levels.shape
    flat = levels.long().view(n * c, h * w)
    rows = torch.arange(n * c, device=levels.device)[:, None]
    # Counting by index_put with whole numbers gives the same sum in any order, so it is deterministic on a GPU too.
    counts = torch.zeros(n * c, 256, dtype=torch.int64, device=levels.device)
    counts.scatter_add_(1, flat, torch.ones_like(flat))
    below = counts.cumsum(1)
    brightest = (counts > 0).mul(torch.arange(256, device=levels.device)).argmax(1, keepdim=True)
    step = (h * w - counts.gather(1, brightest)).div(255, rounding_mode="floor")  # [nC, 1]
    table = torch.cat([torch.zeros_like(rows), below[:, :-1]], 1).add(step.div(2, rounding_mode="floor")).div(step.clamp(min=1), rounding_mode="floor").clamp_(0, 255)
    table[:, 0] = 0
    table = torch.where(step > 0, table, torch.arange(256, device=levels.device))
    return table.float().gather(1, flat).view(n, c, h, w)


def _sharpness(levels: Tensor, codes: Codes, factors: Amounts) -> Tensor:
    """f·x + (1-f)·smoothed x inside; the outermost pixels stay, as in Pillow."""
    n, c, h, w = levels.shape
    if min(h, w) <= 2:
        return levels
    kernel = levels.new_full((1, 1, 3, 3), 1 / 13)
    kernel[0, 0, 1, 1] = 5 / 13
    smooth = F.conv2d(levels.view(n * c, 1, h, w), kernel).view(n, c, h - 2, w - 2).round_()
    inside = levels[:, :, 1:-1, 1:-1]
    inside.add_(smooth.sub_(inside).mul_(_column(1 - factors, levels)))
    return levels.clamp_(0, 255).floor_()


_FUNCTIONS: dict[str, Callable[[Tensor, Codes, Amounts], Tensor]] = {
    "blend": _blend,
    "levels": _levels,
    "auto_contrast": _auto_contrast,
    "equalize": _equalize,
    "sharpness": _sharpness,
}
