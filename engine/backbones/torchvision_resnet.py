"""ResNets of torchvision, with the stem that papers use for small images; each is a file beside this one."""

from __future__ import annotations

import socket
from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from engine.backbones.backbone import Backbone
from engine.config.parts import BackboneParams
from engine.config.settings import param
from engine.errors import ConfigError

PATIENCE = 20.0  # seconds without a byte before a download is given up
PHOTOS_FROM = 64
"""Pixels from which the stem is the original one."""


class ResNetParams(BackboneParams):
    stem: Literal["auto", "small", "photo"] = param(
        "auto",
        help=(
            "small: 3x3 convolution, full size. photo: 7x7 convolution and pooling, a quarter of the size. auto:"
            " small below 64 pixels."
        ),
    )


class TorchvisionResNet(Backbone):
    """A ResNet (He et al. 2016, arXiv:1512.03385) without its classification layer.

    Images below 64 pixels get the stem of SimCLR's appendix B.9: a 3x3 convolution of stride 1 in place of 7x7 of
    stride 2, and no max pooling. constructor: its name in torchvision.
    """

    constructor: ClassVar[str]
    has_pretrained = True

    def __init__(self, params: ResNetParams, channels: int, size: int) -> None:
        # Here, because importing it takes longer than everything else of the catalog.
        from torchvision import models

        super().__init__(params, channels, size)
        network = getattr(models, self.constructor)(weights=None)
        small = self._small = params.stem == "small" or (params.stem == "auto" and size < PHOTOS_FROM)
        if small or channels != 3:
            kernel, stride, padding = (3, 1, 1) if small else (7, 2, 3)
            network.conv1 = nn.Conv2d(channels, 64, kernel, stride, padding, bias=False)
            nn.init.kaiming_normal_(network.conv1.weight, mode="fan_out", nonlinearity="relu")
        stem = [network.conv1, network.bn1, network.relu]
        self.stem = nn.Sequential(*stem) if small else nn.Sequential(*stem, network.maxpool)
        self.layers = nn.Sequential(network.layer1, network.layer2, network.layer3, network.layer4)
        self.feature_size = network.fc.in_features

    def features(self, images: Tensor) -> Tensor:
        features: Tensor = self.layers(self.stem(images))
        return features.mean((2, 3))  # mean, not adaptive pooling: it is deterministic on every device

    def stages(self) -> list[nn.Module]:
        return [self.stem, *self.layers]

    def pretrained(self) -> dict[str, Tensor]:
        """torchvision's first weights of ImageNet (IMAGENET1K_V1), with the normalization they were trained with;
        downloaded once into torch's cache.

        They belong to the original stem and to color images.
        """
        if self._small or self.channels != 3:
            raise ConfigError(
                f"The pretrained {self.title} reads color images through the original stem: set backbone.stem to photo,"
                " bring your images to 64 pixels or more, or start from random, run:<id> or file:<path>."
            )
        patience = socket.getdefaulttimeout()
        socket.setdefaulttimeout(PATIENCE)  # torch's own download would wait for ever
        try:
            theirs = self._weights().get_state_dict(progress=False, check_hash=True, weights_only=True)
        # No network, no room, a damaged file in the cache: all of them mean the same to a person.
        except Exception as error:
            raise ConfigError(
                f"The pretrained weights of {self.title} could not be fetched ({type(error).__name__}): connect to the"
                f" internet once, put {self.file_name()} into {Path(torch.hub.get_dir()) / 'checkpoints'}, or start"
                " from random, run:<id> or file:<path>."
            ) from None
        finally:
            socket.setdefaulttimeout(patience)
        return {**self.own_names(theirs), **_imagenet()}

    def normalization_of(self, sha256: str) -> dict[str, Tensor]:
        """torchvision's file of ImageNet weights has the beginning of its hash in its name."""
        known = self.file_name().rpartition("-")[2].partition(".")[0]
        return _imagenet() if self.channels == 3 and sha256.startswith(known) else {}

    def own_names(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """Also torchvision's names are understood."""
        if "conv1.weight" not in weights:
            return weights
        names = {"conv1": "stem.0", "bn1": "stem.1", **{f"layer{n}": f"layers.{n - 1}" for n in range(1, 5)}}
        parts = {name: name.partition(".") for name in weights}
        return {f"{names[part]}.{rest}": weights[name] for name, (part, _, rest) in parts.items() if part in names}

    @classmethod
    @abstractmethod
    def _weights(cls) -> Any:
        """torchvision's description of the weights."""

    @classmethod
    def file_name(cls) -> str:
        """Of the file that holds them, which ends in the beginning of its hash."""
        return str(cls._weights().url).rpartition("/")[2]


def _imagenet() -> dict[str, Tensor]:
    return {"mean": torch.tensor([0.485, 0.456, 0.406]), "std": torch.tensor([0.229, 0.224, 0.225])}
