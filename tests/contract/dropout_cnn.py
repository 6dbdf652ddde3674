"""A network with dropout, which draws from the global generator."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from engine.backbones.backbone import Backbone
from engine.config.parts import BackboneParams


class DropoutCNN(Backbone):
    class Params(BackboneParams):
        name: Literal["dropout_cnn"] = "dropout_cnn"

    title = "Dropout"
    summary = "Made for the contract suite."

    def __init__(self, params: Params, channels: int, size: int) -> None:
        super().__init__(params, channels, size)
        self.layers = nn.Sequential(
            nn.Conv2d(channels, 8, 3, 2), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.5), nn.Conv2d(8, 8, 3), nn.ReLU()
        )
        self.feature_size = 8

    def features(self, images: Tensor) -> Tensor:
        features: Tensor = self.layers(images).mean((2, 3))
        return features

    def stages(self) -> list[nn.Module]:
        return list(self.layers)
