"""weak: the picture, mirrored or not and shifted by a few pixels."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from torch import Generator, Tensor

from engine.augment.crop import crop_of, flip_and_crop, uniform
from engine.augment.recipe import Recipe
from engine.config import RecipeParams, param
from engine.registry import recipes

Flip = Literal["auto", "on", "off"]


@recipes.register
class Weak(Recipe):
    """FixMatch's weak augmentation α (Sohn et al. 2020, arXiv:2001.07685, section 2.3): flip half the pictures and shift by up to 12.5 %.

    The vacated edge is filled by reflection. Every pixel of a view is a pixel of the picture: nothing is interpolated.
    """

    class Params(RecipeParams):
        name: Literal["weak"] = "weak"
        translate: float = param(0.125, ge=0, le=0.5, help="Largest shift, as a share of the side; rounded to whole pixels.")
        flip: Flip = param("auto", help="Mirror half of the pictures, left to right. auto: only where a mirrored picture keeps its meaning.")

    params: Params

    def __call__(self, images: Tensor, generator: Generator) -> Tensor:
        batch, _, height, width = images.shape
        crop = crop_of(uniform(generator, 3, batch), height, width, self.params.translate, flips(self.params.flip, self.symmetries))
        return flip_and_crop(images, crop) / 255


def flips(choice: Flip, symmetries: Collection[str]) -> bool:
    """Whether pictures of this kind are mirrored at all."""
    return choice == "on" or (choice == "auto" and "flip" in symmetries)
