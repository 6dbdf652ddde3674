"""small_cnn: four convolutions with batch norm, shaped so that two CPU cores carry a FixMatch step."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from engine.backbones.backbone import Backbone
from engine.config.parts import BackboneParams
from engine.config.settings import param
from engine.registry import backbones


@backbones.register
class SmallCNN(Backbone):
    """3x3 convolutions of w, 2w, 4w, 4w channels, each with batch norm and ReLU, then global average pooling: D = 4w
    features.

    2x2 max pooling follows the second and third convolution. From 16 pixels on the first
    convolution halves the image, because full-size feature maps of 28 and 32 pixel images cost a CPU three times
    what the rest of the step costs (docs/decisions/0004-small-cnn.md). Batch norm keeps torch's momentum of 0.1: short
    runs need it.
    """

    class Params(BackboneParams):
        name: Literal["small_cnn"] = "small_cnn"
        width: int = param(
            16,
            ge=4,
            le=256,
            symbol="w",
            help="Channels of the first convolution; the others have 2, 4 and 4 times as many.",
        )

    title = "Small CNN"
    summary = "Four 3x3 convolutions with batch norm, sized for a laptop's CPU."

    def __init__(self, params: Params, channels: int, size: int) -> None:
        super().__init__(params, channels, size)
        w = params.width
        self.blocks = nn.Sequential(
            _block(channels, w, stride=2 if size >= 16 else 1),
            _block(w, 2 * w, pool=True),
            _block(2 * w, 4 * w, pool=size >= 8),
            _block(4 * w, 4 * w),
        )
        self.feature_size = 4 * w

    def features(self, images: Tensor) -> Tensor:
        features: Tensor = self.blocks(images)
        return features.mean((2, 3))  # mean, not adaptive pooling: it is deterministic on every device

    def stages(self) -> list[nn.Module]:
        return list(self.blocks)


def _block(inputs: int, outputs: int, stride: int = 1, pool: bool = False) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
    layers: list[nn.Module] = [convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.MaxPool2d(2)) if pool else nn.Sequential(*layers)
