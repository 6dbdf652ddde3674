"""conv_encoder: the small encoder of the usual SimCLR tutorials, three convolutions and a linear layer."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from engine.backbones.backbone import Backbone
from engine.config.parts import BackboneParams
from engine.config.settings import param
from engine.registry import backbones


@backbones.register
class ConvEncoder(Backbone):
    """3x3 convolutions of 64, 128 and 256 channels, each with batch norm and ReLU, global average pooling, and a
    linear layer to D features.

    2x2 max pooling follows the first and second convolution. Tutorials leave batch norm out; with
    it, few steps go much further. The features are signed: there is no ReLU behind the linear layer.
    """

    class Params(BackboneParams):
        name: Literal["conv_encoder"] = "conv_encoder"
        output: int = param(128, ge=2, le=4096, symbol="D", help="Features of an image.")

    title = "Convolutional encoder"
    summary = "Three convolutions of 64, 128 and 256 channels and 128 features: small, and wider than the small CNN."

    def __init__(self, params: Params, channels: int, size: int) -> None:
        super().__init__(params, channels, size)
        self.blocks = nn.Sequential(_block(channels, 64, pool=True), _block(64, 128, pool=True), _block(128, 256))
        self.output = nn.Linear(256, params.output)
        self.feature_size = params.output

    def features(self, images: Tensor) -> Tensor:
        # Mean, not adaptive pooling: it is deterministic on every device.
        features: Tensor = self.output(self.blocks(images).mean((2, 3)))
        return features

    def stages(self) -> list[nn.Module]:
        return [*self.blocks, self.output]


def _block(inputs: int, outputs: int, pool: bool = False) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
    layers: list[nn.Module] = [convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.MaxPool2d(2)) if pool else nn.Sequential(*layers)
