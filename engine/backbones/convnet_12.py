"""convnet_12: the plain network of many papers on few and on ambiguous labels, seven convolutions or twelve layers as
they count.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from engine.backbones.backbone import Backbone
from engine.config.parts import BackboneParams
from engine.config.settings import param
from engine.registry import backbones


@backbones.register
class ConvNet12(Backbone):
    """Three 3x3 convolutions of 128 channels, three of 256, then 3x3 of 512 without padding, 1x1 of 256 and of 128, and
    global average pooling.

    After Laine and Aila 2017 (arXiv:1610.02242, table 5), in the form of PRODEN's authors: batch norm and LeakyReLU of
    slope 0.01 behind each convolution, 2x2 pooling and dropout of whole channels behind the first and second three. D =
    128 features. "Twelve layers" counts the poolings and the head.
    """

    class Params(BackboneParams):
        name: Literal["convnet_12"] = "convnet_12"
        dropout: float = param(
            0.25,
            ge=0,
            lt=1,
            advanced=True,
            help="Channel dropout after each pooling, in training only.",
        )

    title = "12-layer ConvNet"
    summary = "Plain convolutions of up to 512 channels, as in the papers on partial labels: for a GPU."
    smallest = 12

    def __init__(self, params: Params, channels: int, size: int) -> None:
        super().__init__(params, channels, size)
        self.blocks = nn.Sequential(
            nn.Sequential(
                _convolution(channels, 128),
                _convolution(128, 128),
                _convolution(128, 128),
                nn.MaxPool2d(2),
                nn.Dropout2d(params.dropout),
            ),
            nn.Sequential(
                _convolution(128, 256),
                _convolution(256, 256),
                _convolution(256, 256),
                nn.MaxPool2d(2),
                nn.Dropout2d(params.dropout),
            ),
            nn.Sequential(
                _convolution(256, 512, padding=0),
                _convolution(512, 256, kernel=1, padding=0),
                _convolution(256, 128, kernel=1, padding=0),
            ),
        )
        self.feature_size = 128

    def features(self, images: Tensor) -> Tensor:
        features: Tensor = self.blocks(images)
        return features.mean((2, 3))  # mean, not adaptive pooling: it is deterministic on every device

    def stages(self) -> list[nn.Module]:
        return list(self.blocks)


def _convolution(inputs: int, outputs: int, kernel: int = 3, padding: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, padding=padding, bias=False),
        nn.BatchNorm2d(outputs),
        nn.LeakyReLU(0.01, inplace=True),
    )
