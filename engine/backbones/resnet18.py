"""resnet18: torchvision's ResNet-18, with the stem that papers use for small images."""

from __future__ import annotations

from typing import Any, Literal

from engine.backbones.torchvision_resnet import ResNetParams, TorchvisionResNet
from engine.registry import backbones


@backbones.register
class ResNet18(TorchvisionResNet):
    """ResNet-18 (He et al. 2016, arXiv:1512.03385) without its classification layer: D = 512 features.

    Images below 64 pixels get the stem of SimCLR's appendix B.9: a 3x3 convolution of stride 1 in place of 7x7 of
    stride 2, and no max pooling. Two CPU cores need seconds for a step at 32 pixels: it is meant for a GPU.
    """

    class Params(ResNetParams):
        name: Literal["resnet18"] = "resnet18"

    title = "ResNet-18"
    summary = "Eighteen layers with residual connections: accurate on photos, for a GPU."
    constructor = "resnet18"

    @classmethod
    def _weights(cls) -> Any:
        from torchvision.models import ResNet18_Weights

        return ResNet18_Weights.IMAGENET1K_V1
