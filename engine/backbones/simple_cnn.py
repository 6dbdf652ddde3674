"""simple_cnn: the smallest network that can be called convolutional, for seeing what the method does without the
network's help.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from engine.backbones.backbone import Backbone
from engine.config.parts import BackboneParams
from engine.registry import backbones


@backbones.register
class SimpleCNN(Backbone):
    """One 3x3 convolution of 8 channels and ReLU, averaged to a grid of at most 8x8 cells; a linear layer on top is the
    method's head.
    """

    class Params(BackboneParams):
        name: Literal["simple_cnn"] = "simple_cnn"

    title = "Simple CNN"
    summary = "One 3x3 convolution of 8 channels: quick, weak, easy to understand."
    params: Params

    def __init__(self, params: Params, channels: int, size: int) -> None:
        super().__init__(params, channels, size)
        self.convolution = nn.Conv2d(channels, 8, 3, padding=1)
        self.cell = -(-size // 8)
        self.feature_size = 8 * (size // self.cell) ** 2

    def features(self, images: Tensor) -> Tensor:
        return F.avg_pool2d(F.relu(self.convolution(images)), self.cell).flatten(1)

    def stages(self) -> list[nn.Module]:
        return [self.convolution]
