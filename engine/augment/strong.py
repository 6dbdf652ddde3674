"""The strong view: shift and flip, random operations with random amounts, and cutout (Sohn et al. 2020, section 2.3 and appendix)."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from engine.augment.affine import matrices, warp
from engine.augment.color import apply_color
from engine.augment.cutout import cutout
from engine.augment.folded import apply_folded
from engine.augment.operations import CODE, FACTORS, GEOMETRIC, OPERATIONS, Amounts, Codes, Operation, table
from engine.augment.recipe import Recipe
from engine.augment.shift_flip import draw_shift_flip, shift_flip
from engine.augment.weak import Flip, flips
from engine.config import RecipeParams, param
from engine.registry import recipes

_NOT_AFFINE = {"auto_contrast", "equalize", "posterize", "sharpness", "solarize"}
_MOVES = table(GEOMETRIC)


class Plan(NamedTuple):
    """What happens to each picture: numbers of operations [B, n] in order, and their amounts [B, n] in the operation's own unit."""

    codes: Codes
    amounts: Amounts


@recipes.register
class Strong(Recipe):
    """RandAugment in FixMatch's form: every operation is drawn with replacement and always applied, its amount uniform in a range.

    The geometric operations of a picture are composed into one warp that comes before the color operations, which keep their order
    (docs/decisions/0002-geometry-before-color.md). Geometry fills with black; cutout fills with middle grey. `color` is left out for grey
    pictures, where it does nothing. On colors "folded", operations that are not affine are left out.
    """

    class Params(RecipeParams):
        name: Literal["strong"] = "strong"
        policy: Literal["randaugment", "none"] = param("randaugment", help="Random operations, or none: then only shift, flip and cutout.")
        operations: int = param(2, ge=0, le=8, help="Random operations on each picture.")
        magnitude: float = param(10.0, ge=0, le=10, help="How far the operations go: 10 is the paper's full range, 0 changes nothing.")
        cutout: float = param(0.5, ge=0, le=1, help="Side of the grey square, as a share of the picture's. 0: none.")
        translate: float = param(0.125, ge=0, le=0.5, advanced=True, help="Largest shift before the operations, as a share of the side.")
        flip: Flip = param("auto", advanced=True, help="Mirror half of the pictures. auto: only where the data set says that it means the same.")
        rotate: float = param(30.0, ge=0, le=180, advanced=True, unit="degrees", help="Largest rotation at full magnitude.")
        shear: float = param(0.3, ge=0, le=1, advanced=True, help="Largest shear at full magnitude, as the tangent of its angle.")
        shift: float = param(0.3, ge=0, le=1, advanced=True, help="Largest translation at full magnitude, as a share of the side.")
        without: tuple[Operation, ...] = param((), advanced=True, help="Operations that are never drawn.")
        color: Literal["exact", "folded"] = param("exact", advanced=True, help="exact: each color operation as torchvision computes it. folded: brightness, color and contrast in one matrix, faster.")
        interpolation: Literal["bilinear", "nearest"] = param("bilinear", advanced=True, help="How a warp reads between pixels; nearest tears the strokes of small pictures.")

    params: Params

    def __init__(self, params: Params, symmetries: frozenset[str], channels: int) -> None:
        super().__init__(params, symmetries, channels)
        offered = set(OPERATIONS) - set(params.without)
        if params.color == "folded":
            offered -= _NOT_AFFINE
        if channels == 1:
            offered -= {"color"}
        self.offered = np.array(sorted(CODE[name] for name in offered) if params.policy == "randaugment" else [], dtype=np.int64)

    def __call__(self, images: Tensor, generator: Generator) -> Tensor:
        count = self.params.operations
        uniform = torch.rand(len(images), 5 + 3 * count, generator=generator, dtype=torch.float64).numpy()
        h, w = images.shape[2:]
        drawn = draw_shift_flip(uniform[:, :3], self.params.translate, flips(self.params.flip, self.symmetries), h, w)
        levels = shift_flip(images, *drawn).float()
        if len(self.offered) and count:
            choice, size, sign = np.split(uniform[:, 5:], 3, axis=1)
            levels = apply_plan(levels, self.plan(choice, size, sign, h, w), self.params.color, self.params.interpolation)
        if self.params.cutout:
            levels = cutout(levels, self.params.cutout, uniform[:, 3:5])
        return levels.div_(255)

    def plan(self, choice: NDArray[np.float64], size: NDArray[np.float64], sign: NDArray[np.float64], height: int, width: int) -> Plan:
        """Three arrays [B, n] of uniform numbers to operations and amounts within the paper's ranges, scaled by the magnitude."""
        p, share = self.params, self.params.magnitude / 10
        codes = self.offered[(choice * len(self.offered)).astype(np.int64)]
        start, span = np.zeros(len(OPERATIONS)), np.zeros(len(OPERATIONS))
        for name, most in zip(GEOMETRIC, (p.rotate, p.shear, p.shear, p.shift * width, p.shift * height), strict=True):
            span[CODE[name]] = most * share
        for name in FACTORS:  # U[.05, .95] at full magnitude: only darker, greyer, flatter, softer
            start[CODE[name]], span[CODE[name]] = 1 - 0.95 * share, 0.9 * share
        start[CODE["posterize"]], span[CODE["posterize"]] = 8, -4 * share
        start[CODE["solarize"]], span[CODE["solarize"]] = 256, -256 * share
        amounts = start[codes] + span[codes] * size
        amounts = np.where(_MOVES[codes] & (sign < 0.5), -amounts, amounts)
        return Plan(codes, np.where(codes == CODE["posterize"], np.round(amounts), amounts))


def apply_plan(levels: Tensor, plan: Plan, color: str, interpolation: str) -> Tensor:
    """Do what the plan says. levels: float [B, C, H, W], whole numbers 0..255; may be changed in place. Returns levels 0..255."""
    (rows,) = np.nonzero(_MOVES[plan.codes].any(1))
    if len(rows):
        each = matrices(plan.codes[rows], plan.amounts[rows])  # [n, operations, 3, 3]
        through = each[:, 0]
        for n in range(1, each.shape[1]):
            through = through @ each[:, n]
        places = torch.from_numpy(rows).to(levels.device, non_blocking=True)
        levels.index_copy_(0, places, warp(levels.index_select(0, places), through, interpolation))
    if color == "folded":
        return apply_folded(levels, plan.codes, plan.amounts)
    for n in range(plan.codes.shape[1]):
        levels = apply_color(levels, plan.codes[:, n], plan.amounts[:, n])
    return levels
