"""pixels: no network at all, the image itself as its features: the reference that learned features must beat."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from engine.backbones.backbone import Backbone
from engine.config.parts import BackboneParams
from engine.registry import backbones


@backbones.register
class Pixels(Backbone):
    """D = C·H·W normalized pixels. It has nothing to train: under a method of steps, the linear head alone learns."""

    class Params(BackboneParams):
        name: Literal["pixels"] = "pixels"

    title = "Raw pixels"
    summary = "No network: the image itself, for graphs of similar images and as the reference for learned features."
    smallest = 1
    learns = False

    def __init__(self, params: Params, channels: int, size: int) -> None:
        super().__init__(params, channels, size)
        self.feature_size = channels * size * size

    def features(self, images: Tensor) -> Tensor:
        return images.flatten(1)

    def stages(self) -> list[nn.Module]:
        return []
