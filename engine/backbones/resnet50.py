"""resnet50: torchvision's ResNet-50, with the stem that papers use for small images."""

from __future__ import annotations

from typing import Any, Literal

from engine.backbones.torchvision_resnet import ResNetParams, TorchvisionResNet
from engine.registry import backbones


@backbones.register
class ResNet50(TorchvisionResNet):
    """ResNet-50 (He et al. 2016, arXiv:1512.03385) without its classification layer: D = 2,048 features.

    The stride of a bottleneck is in its 3x3 convolution, as in torchvision, where the paper has it in the first 1x1.
    Images below 64 pixels get the stem of SimCLR's appendix B.9: a 3x3 convolution of stride 1 in place of 7x7 of
    stride 2, and no max pooling. Two CPU cores need many seconds for a step at 32 pixels: it is meant for a GPU.
    """

    class Params(ResNetParams):
        name: Literal["resnet50"] = "resnet50"

    title = "ResNet-50"
    summary = "Fifty layers in bottleneck blocks, 2,048 features: the network of most papers, for a GPU."
    constructor = "resnet50"

    @classmethod
    def _weights(cls) -> Any:
        from torchvision.models import ResNet50_Weights

        return ResNet50_Weights.IMAGENET1K_V1
