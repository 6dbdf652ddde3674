"""plain: the image as it is."""

from __future__ import annotations

from typing import Literal

from torch import Generator, Tensor

from engine.augment.recipes.recipe import Recipe
from engine.config.parts import RecipeParams
from engine.registry import recipes


@recipes.register
class Plain(Recipe):
    """The pixels, divided by 255. Draws nothing."""

    class Params(RecipeParams):
        name: Literal["plain"] = "plain"

    def __call__(self, images: Tensor, generator: Generator) -> Tensor:
        return images / 255
