"""What a view recipe is: uint8 images in, one float view of each out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from torch import Generator, Tensor

from engine.config.parts import RecipeParams
from engine.data.image_traits import ImageTraits
from engine.errors import ConfigError


class Recipe(ABC):
    """Makes one view of every image of a batch, each with its own random parameters, on the images' device.

    symmetries: what may be done to images of this kind without changing their meaning (a subset of {"flip"}).
    channels: 1 or 3, the images' channels. size: pixels of the views, None: those of the images. resizes: whether it
    can make views of another size; raises ConfigError if it is asked to and cannot.
    """

    Params: ClassVar[type[RecipeParams]]
    resizes: ClassVar[bool] = False

    def __init__(
        self, params: RecipeParams, symmetries: frozenset[str], channels: int, size: int | None = None
    ) -> None:
        if size is not None and not self.resizes:
            raise ConfigError(
                f"The recipe {params.name} makes views as large as the images, and views of {size} pixels are asked"
                " for: choose a recipe that crops, such as crop_jitter."
            )
        self.params = params
        self.size = size
        self.symmetries = symmetries
        self.channels = channels

    @classmethod
    def suited(cls, traits: ImageTraits) -> dict[str, Any]:
        """The settings in which it follows what is true of a data set's images; all others keep their defaults."""
        return {}

    @abstractmethod
    def __call__(self, images: Tensor, generator: Generator) -> Tensor:
        """images: uint8 [B, C, H, W]. Returns float32 [B, C, H, W] in [0, 1], H and W the views' size.

        All chance comes from `generator` (on the CPU, whatever the images' device), in an amount that depends on the
        batch's shape alone.
        """
