"""What a backbone is: normalization first, then features; the classification head belongs to the method."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from engine.backbones.mixed_precision import MixedPrecision
from engine.config.parts import BackboneParams
from engine.errors import ConfigError


class Backbone(MixedPrecision):
    """Images float [B, C, H, W] in [0, 1] to features [B, D], float32 also where the run computes in bfloat16.

    Normalization by the training images' mean and std per channel is the first operation and lives in buffers, so
    that whoever loads the weights cannot forget it. smallest: pixels of the smallest images it takes. Raises
    ConfigError for smaller ones, and for a side that is no multiple of what `multiple_of` says.
    """

    Params: ClassVar[type[BackboneParams]]
    title: ClassVar[str]
    summary: ClassVar[str]
    smallest: ClassVar[int] = 4
    has_pretrained: ClassVar[bool] = False  # whether `pretrained` can give weights
    is_foldable: ClassVar[bool] = True  # whether a batch norm behind a convolution can be computed as part of it
    package: ClassVar[str] = ""  # the one that computes the network where that is not FewLab or torch
    learns: ClassVar[bool] = True  # False: there is nothing to train in it, hence nothing to start from
    feature_size: int
    mean: Tensor
    std: Tensor

    def __init__(self, params: BackboneParams, channels: int, size: int) -> None:
        super().__init__()
        if size < self.smallest:
            raise ConfigError(
                f"{params.name} needs images of at least {self.smallest} pixels, but these have {size}: choose"
                " another backbone or enlarge the images."
            )
        if size % self.multiple_of(params):
            raise ConfigError(
                f"{params.name} cuts images into squares of {self.multiple_of(params)} pixels, which {size} pixels are"
                " no multiple of: choose another size of squares or of images."
            )
        self.params, self.channels, self.size = params, channels, size
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("std", torch.ones(channels))

    @property
    def is_exportable(self) -> bool:
        """Whether onnxruntime may compute its features while it is frozen."""
        return False

    @classmethod
    def multiple_of(cls, params: Any) -> int:
        """What the images' side must be a multiple of, in pixels, with these settings."""
        return 1

    def forward(self, images: Tensor) -> Tensor:
        with self.autocast(images):
            return self.widened(self.features(self.normalize(images)))

    def normalize(self, images: Tensor) -> Tensor:
        return (images - self.mean[:, None, None]) / self.std[:, None, None]

    def pretrained(self) -> dict[str, Tensor]:
        """Weights that others trained for this network, by the names of its own state. Raises ConfigError if there are
        none, or no network to fetch them.
        """
        raise ConfigError(
            f"There are no pretrained weights for {self.params.name}: start from random, run:<id> or file:<path>."
        )

    def normalization_of(self, sha256: str) -> dict[str, Tensor]:
        """Mean and std that the weights in a file with this hash were trained with, by the names of its own state;
        empty if the file is not known.
        """
        return {}

    def own_names(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """Weights of a file by the names of this network's own state, where other names for them are common."""
        return weights

    @abstractmethod
    def features(self, images: Tensor) -> Tensor:
        """Normalized images [B, C, H, W] to features [B, D]."""

    @abstractmethod
    def stages(self) -> list[nn.Module]:
        """The network's parts from bottom to top, for layer-wise learning rates and unfreezing."""
