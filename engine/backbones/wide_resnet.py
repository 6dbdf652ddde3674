"""wide_resnet: WRN-28-2 and its relatives, the networks that FixMatch and its relatives are compared on."""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from engine.backbones.backbone import Backbone
from engine.config.parts import BackboneParams
from engine.config.settings import param
from engine.registry import backbones


@backbones.register
class WideResNet(Backbone):
    """Zagoruyko and Komodakis 2016 (arXiv:1605.07146), as Oliver et al. 2018 (arXiv:1804.09170) use it: pre-activation
    blocks, LeakyReLU of slope 0.1.

    Three groups of (depth - 4) / 6 blocks with 16, 32 and 64 times `widen` channels; the second and third begin with
    stride 2. The shortcut is a 1x1 convolution where the channels change; it starts from the activated input in the
    first block, as in the authors' code. D = 64 times `widen` features, or 128 times with four groups, which at depth
    28 is the WRN-37-2 of papers on STL-10 (the authors' code counts shortcuts, too). Convolutions have no biases.
    """

    class Params(BackboneParams):
        name: Literal["wide_resnet"] = "wide_resnet"
        depth: Literal[10, 16, 22, 28, 40] = param(28, help="Depth 6n + 4, n blocks per group.")
        momentum: float = param(
            0.1,
            gt=0,
            le=1,
            advanced=True,
            help="Momentum of batch norm's running statistics; the paper's code takes 0.001, for a million steps.",
        )
        widen: int = param(
            2, ge=1, le=16, symbol="k", help="Widening factor k: channels, as a multiple of the original ResNet's."
        )
        groups: Literal[3, 4] = param(
            3,
            advanced=True,
            added=True,
            help="Groups of blocks; the fourth has 128 k channels at an eighth of the size: depth 28 is then WRN-37-k.",
        )
        first_stride: Literal[1, 2] = param(
            1,
            advanced=True,
            added=True,
            help="Stride of the first group. 2 halves the images at once, as TorchSSL and USB do on STL-10.",
        )
        eps: float = param(
            1e-5,
            gt=0,
            le=0.1,
            symbol="ε",
            advanced=True,
            added=True,
            help="Added to batch norm's variances; 0.001 in the papers' TensorFlow code, 0.00001 in most of its ports.",
        )

    title = "Wide ResNet"
    summary = "WRN-28-2, the network of FixMatch's own comparison, and its wider and deeper kin: for a GPU."

    def __init__(self, params: Params, channels: int, size: int) -> None:
        super().__init__(params, channels, size)
        blocks = (params.depth - 4) // 6
        widths = [16, *(16 * 2**group * params.widen for group in range(params.groups))]
        strides = [params.first_stride, *[2] * (params.groups - 1)]
        self.stem = _kernel(channels, 16, 3)
        self.groups = nn.Sequential(
            *(
                nn.Sequential(
                    *(
                        _Block(
                            widths[i] if j == 0 else widths[i + 1],
                            widths[i + 1],
                            strides[i] if j == 0 else 1,
                            activate_both=i == j == 0,
                        )
                        for j in range(blocks)
                    )
                )
                for i in range(params.groups)
            )
        )
        self.norm = nn.BatchNorm2d(widths[-1])
        self.feature_size = widths[-1]
        for norm in (module for module in self.modules() if isinstance(module, nn.BatchNorm2d)):
            norm.momentum, norm.eps = params.momentum, params.eps

    def features(self, images: Tensor) -> Tensor:
        return F.leaky_relu(self.norm(self.groups(self.stem(images))), 0.1).mean((2, 3))

    def stages(self) -> list[nn.Module]:
        return [self.stem, *self.groups[:-1], nn.ModuleList([self.groups[-1], self.norm])]


class _Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int, activate_both: bool) -> None:
        super().__init__()
        self.norms = nn.ModuleList([nn.BatchNorm2d(inputs), nn.BatchNorm2d(outputs)])
        self.kernels = nn.ModuleList([_kernel(inputs, outputs, 3, stride), _kernel(outputs, outputs, 3)])
        self.shortcut = _kernel(inputs, outputs, 1, stride) if inputs != outputs or stride > 1 else None
        self.activate_both = activate_both

    def forward(self, images: Tensor) -> Tensor:
        activated = F.leaky_relu(self.norms[0](images), 0.1)
        inner = self.kernels[1](F.leaky_relu(self.norms[1](self.kernels[0](activated)), 0.1))
        around = activated if self.activate_both else images
        result: Tensor = inner + (around if self.shortcut is None else self.shortcut(around))
        return result


def _kernel(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
    return convolution
