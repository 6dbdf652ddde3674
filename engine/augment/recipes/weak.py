"""weak: the image, mirrored or not, shifted by a few pixels and, if wished, tilted a little."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

import numpy as np
from torch import Generator, Tensor

from engine.augment.ops.affine import warp
from engine.augment.ops.crop import crop_of, flip_and_crop, uniform
from engine.augment.ops.operation_plan import CODE, Plan
from engine.augment.recipes.recipe import Recipe
from engine.config.parts import RecipeParams
from engine.config.settings import param
from engine.registry import recipes

Flip = Literal["auto", "on", "off"]


@recipes.register
class Weak(Recipe):
    """FixMatch's weak augmentation α (Sohn et al. 2020, arXiv:2001.07685, section 2.3): flip half the images and
    shift by up to 12.5 %.

    The vacated edge is filled by reflection. Every pixel of a view is a pixel of the image, unless `rotate` is set,
    which the paper does not have: then the view is tilted, read bilinearly, and black where it comes from outside.
    """

    class Params(RecipeParams):
        name: Literal["weak"] = "weak"
        translate: float = param(
            0.125,
            ge=0,
            le=0.5,
            help="Maximum translation, as a share of the side; whole pixels, with reflection padding.",
        )
        flip: Flip = param(
            "auto",
            help="Random horizontal flip (p = 0.5). auto: only where a mirrored image keeps its class.",
        )
        rotate: float = param(
            0.0,
            ge=0,
            le=180,
            unit="°",
            advanced=True,
            help="Maximum rotation, in either direction. The paper's weak views have none.",
        )

    params: Params

    def __call__(self, images: Tensor, generator: Generator) -> Tensor:
        batch, _, height, width = images.shape
        chance = uniform(generator, 4, batch)
        views = flip_and_crop(
            images, crop_of(chance[:3], height, width, self.params.translate, flips(self.params.flip, self.symmetries))
        )
        if self.params.rotate:
            angles = self.params.rotate * (2 * chance[3] - 1)
            views = warp(views, Plan(np.full((batch, 1), CODE["rotate"]), angles[:, None]), "bilinear")
        return views / 255


def flips(choice: Flip, symmetries: Collection[str]) -> bool:
    """Whether images of this kind are mirrored at all."""
    return choice == "on" or (choice == "auto" and "flip" in symmetries)
