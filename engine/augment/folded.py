"""Color operations folded into one matrix per picture: brightness, color and contrast, several in a row, at the price of one.

Each is affine in the three channels, so a sequence of them is one 3x4 matrix; clipping happens once, at the end, and levels are not
rounded in between. What is not affine (auto_contrast, equalize, posterize, sharpness, solarize) is not offered in this mode.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from engine.augment.color import GREY
from engine.augment.operations import CODE, Amounts, Codes, table

FOLDABLE = ("brightness", "color", "contrast")


def apply_folded(levels: Tensor, codes: Codes, amounts: Amounts) -> Tensor:
    """levels: float [B, C, H, W], 0..255. codes, amounts: [B, n], in order; operations that do not fold are passed over. Returns levels."""
    if not table(FOLDABLE)[codes].any():
        return levels
    b, c, h, w = levels.shape
    weights = np.array([1.0] if c == 1 else GREY)
    mean = levels.mean((2, 3)).double().cpu().numpy()  # [B, C]
    linear, offset = np.tile(np.eye(c), (b, 1, 1)), np.zeros((b, c))
    for n in range(codes.shape[1]):
        brightness, color, contrast = (np.where(codes[:, n] == CODE[name], amounts[:, n], 1.0)[:, None] for name in FOLDABLE)
        grey = (np.einsum("bij,bj->bi", linear, mean) + offset) @ weights  # [B], the mean grey so far
        mixed = weights * (1 - color[:, :, None]) + np.eye(c) * color[:, :, None]  # [B, C, C]
        scale = brightness * contrast
        linear = mixed @ linear * scale[:, :, None]
        offset = np.einsum("bij,bj->bi", mixed, offset) * scale + (1 - contrast) * grey[:, None]
    device = levels.device
    scales, offsets = (torch.from_numpy(a.astype(np.float32)).to(device, non_blocking=True) for a in (linear, offset))
    if c == 1:  # one channel: a multiplication and an addition
        return torch.addcmul(offsets[:, :, None, None], levels, scales[:, :, :, None]).clamp_(0, 255)
    return torch.baddbmm(offsets[:, :, None], scales, levels.view(b, c, h * w)).view(b, c, h, w).clamp_(0, 255)
