"""What a view recipe is: uint8 images in, one float view of each out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Generator, Tensor

from engine.config.parts import RecipeParams


class Recipe(ABC):
    """Makes one view of every image of a batch, each with its own random parameters, on the images' device.

    symmetries: what may be done to images of this kind without changing their meaning (a subset of {"flip"}).
    channels: 1 or 3, the images' channels.
    """

    Params: ClassVar[type[RecipeParams]]

    def __init__(self, params: RecipeParams, symmetries: frozenset[str], channels: int) -> None:
        self.params = params
        self.symmetries = symmetries
        self.channels = channels

    @abstractmethod
    def __call__(self, images: Tensor, generator: Generator) -> Tensor:
        """images: uint8 [B, C, H, W]. Returns float32 [B, C, H, W] in [0, 1].

        All chance comes from `generator` (on the CPU, whatever the images' device), in an amount that depends on the
        batch's shape alone.
        """
