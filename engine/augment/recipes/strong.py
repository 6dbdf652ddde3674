"""strong: weak's flip and shift, then RandAugment, then Cutout: the view that FixMatch asks to be recognized."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from pydantic import field_validator
from torch import Generator, Tensor

from engine.augment.ops.affine import Interpolation, warp
from engine.augment.ops.color import EQUALIZE_FROM, recolor
from engine.augment.ops.color_matrix import LEFT_OUT, recolor_folded
from engine.augment.ops.crop import Crop, crop_of, flip_and_crop, uniform
from engine.augment.ops.cutout import Hole, cut_out, hole_of
from engine.augment.ops.operation_plan import CODE, OPERATIONS, Ints, Operation, Plan, Ranges, plan_of
from engine.augment.recipes.recipe import Recipe
from engine.augment.recipes.weak import Flip, flips
from engine.config.parts import RecipeParams
from engine.config.settings import param
from engine.data.image_traits import ImageTraits, known
from engine.errors import ConfigError
from engine.registry import recipes


class Draw(NamedTuple):
    """All that chance decides about the strong views of one batch."""

    crop: Crop
    plan: Plan
    hole: Hole


@recipes.register
class Strong(Recipe):
    """FixMatch's strong augmentation A with RandAugment (Sohn et al. 2020, arXiv:2001.07685, section 2.3 and appendix).

    Every operation drawn is applied, with an amount drawn uniformly from its range, and the square is always cut, as
    the paper says (its code skips an operation half of the time). One step leaves the paper: a sample's geometric
    operations are composed and come before its color operations, which spares a resampling.
    """

    class Params(RecipeParams):
        name: Literal["strong"] = "strong"
        policy: Literal["randaugment", "none"] = param(
            "randaugment", help="randaugment: random operations on each image. none: only shift, flip and cutout."
        )
        operations: int = param(
            2, ge=0, le=8, symbol="N", help="Operations per image, drawn with replacement and always applied."
        )
        magnitude: float = param(
            10.0,
            ge=0,
            le=10,
            symbol="M",
            help=(
                "How far operations may go: 10 is the paper's full range; at 0 only auto_contrast and equalize still"
                " act."
            ),
        )
        cutout: float = param(
            0.5,
            ge=0,
            le=1,
            help=(
                "Side of the grey square (value 127 of 255), as a share of the shorter side; clipped at the border. 0:"
                " no square."
            ),
        )
        rotate: float = param(
            30.0, ge=0, le=180, unit="°", advanced=True, help="Maximum rotation at magnitude 10, in either direction."
        )
        shear: float = param(0.3, ge=0, le=1, advanced=True, help="Maximum shear at magnitude 10, in either direction.")
        shift: float = param(
            0.3,
            ge=0,
            le=1,
            advanced=True,
            help="Maximum translation at magnitude 10, as a share of the side; filled with black.",
        )
        without: tuple[Operation, ...] = param(
            (),
            advanced=True,
            help=(
                "Operations that are never drawn; the others get their share. Solarize, for one, can erase bright"
                " strokes on black."
            ),
        )
        translate: float = param(
            0.125,
            ge=0,
            le=0.5,
            advanced=True,
            help="Maximum translation of the weak step that comes first, as a share of the side.",
        )
        flip: Flip = param(
            "auto",
            advanced=True,
            help="Random horizontal flip (p = 0.5). auto: only where a mirrored image keeps its class.",
        )
        color: Literal["exact", "folded"] = param(
            "exact",
            advanced=True,
            help="exact: as torchvision does it. folded: faster, without sharpness, posterize, solarize and equalize.",
        )
        interpolation: Interpolation = param(
            "bilinear",
            advanced=True,
            help=(
                "Interpolation of rotated and sheared images. bilinear keeps thin strokes whole in small images;"
                " nearest is the paper's code."
            ),
        )

        @field_validator("without", mode="before")
        @classmethod
        def _known(cls, names: Any) -> Any:
            for name in names if isinstance(names, list | tuple) else ():
                if name not in OPERATIONS:
                    raise ConfigError(
                        f"without names {str(name)[:80]!r}, which is no operation: choose among"
                        f" {', '.join(sorted(OPERATIONS))}."
                    )
            return names

    params: Params

    @classmethod
    def suited(cls, traits: ImageTraits) -> dict[str, Any]:
        tones = {"without": ["solarize"]} if traits.dark_ground else {}
        ranges = known(rotate=traits.tilt, shear=traits.slant, shift=traits.shift, cutout=traits.largest_hole)
        return tones | ranges

    def __call__(self, images: Tensor, generator: Generator) -> Tensor:
        batch, _, height, width = images.shape
        return self.apply(images, self.draw(batch, height, width, generator))

    def choices(self, pixels: int) -> Ints:
        """Places in KNOWN of the operations that are drawn from: not those that do nothing to images of this many
        channels and pixels.
        """
        left_out = {*self.params.without, *(LEFT_OUT if self.params.color == "folded" else ())}
        if self.channels == 1:
            left_out.add("color")
        if pixels < EQUALIZE_FROM:
            left_out.add("equalize")
        return np.array([CODE[name] for name in OPERATIONS if name not in left_out], dtype=np.int64)

    def draw(self, batch: int, height: int, width: int, generator: Generator) -> Draw:
        """All random parameters of a batch, in one call of the generator."""
        params, choices = self.params, self.choices(height * width)
        count = params.operations if params.policy == "randaugment" and len(choices) else 0
        chance = uniform(generator, 5 + 2 * count, batch)
        ranges = Ranges(params.rotate, params.shear, params.shift)
        return Draw(
            crop_of(chance[:3], height, width, params.translate, flips(params.flip, self.symmetries)),
            plan_of(chance[5:].reshape(2, count, batch), choices, params.magnitude, ranges, height, width),
            hole_of(chance[3:5], height, width, params.cutout),
        )

    def apply(self, images: Tensor, draw: Draw) -> Tensor:
        """The views that `draw` describes. images: uint8 [B, C, H, W]. Returns float32 [B, C, H, W] in [0, 1]."""
        warped = warp(flip_and_crop(images, draw.crop), draw.plan, self.params.interpolation)
        if self.params.color == "folded":
            return cut_out(recolor_folded(warped, draw.plan), draw.hole)
        return cut_out(recolor(warped, draw.plan), draw.hole) / 255
