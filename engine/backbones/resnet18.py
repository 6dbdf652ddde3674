"""resnet18: torchvision's ResNet-18, with the stem that papers use for small pictures."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from engine.backbones.backbone import Backbone
from engine.config import BackboneParams, param
from engine.registry import backbones

PHOTOS_FROM = 64
"""Pixels from which the stem is the original one."""


@backbones.register
class ResNet18(Backbone):
    """ResNet-18 (He et al. 2016, arXiv:1512.03385) without its classification layer: D = 512 features.

    Pictures below 64 pixels get the stem of SimCLR's appendix B.9: a 3x3 convolution of stride 1 in place of 7x7 of stride 2, and no max
    pooling. Two CPU cores need seconds for a step at 32 pixels: it is meant for a GPU.
    """

    class Params(BackboneParams):
        name: Literal["resnet18"] = "resnet18"
        stem: Literal["auto", "small", "photo"] = param(
            "auto", help="small: 3x3 convolution, full size. photo: 7x7 convolution and pooling, a quarter of the size. auto: small below 64 pixels."
        )

    title = "ResNet-18"
    summary = "Eighteen layers with residual connections: accurate on photos, for a GPU."

    def __init__(self, params: Params, channels: int, size: int) -> None:
        from torchvision.models import resnet18  # here, because importing it takes longer than everything else of the catalog

        super().__init__(params, channels, size)
        network = resnet18(weights=None)
        small = params.stem == "small" or (params.stem == "auto" and size < PHOTOS_FROM)
        if small or channels != 3:
            kernel, stride, padding = (3, 1, 1) if small else (7, 2, 3)
            network.conv1 = nn.Conv2d(channels, 64, kernel, stride, padding, bias=False)
            nn.init.kaiming_normal_(network.conv1.weight, mode="fan_out", nonlinearity="relu")
        stem = [network.conv1, network.bn1, network.relu]
        self.stem = nn.Sequential(*stem) if small else nn.Sequential(*stem, network.maxpool)
        self.layers = nn.Sequential(network.layer1, network.layer2, network.layer3, network.layer4)
        self.feature_size = 512

    def features(self, images: Tensor) -> Tensor:
        features: Tensor = self.layers(self.stem(images))
        return features.mean((2, 3))  # mean, not adaptive pooling: it is deterministic on every device

    def stages(self) -> list[nn.Module]:
        return [self.stem, *self.layers]
