"""Backbones against torchvision's networks and against their own description."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from engine.backbones.conv_encoder import ConvEncoder
from engine.backbones.convnet_12 import ConvNet12
from engine.backbones.resnet18 import ResNet18
from engine.backbones.resnet50 import ResNet50
from engine.backbones.torchvision_resnet import TorchvisionResNet
from engine.backbones.wide_resnet import WideResNet


def make_images(channels: int, size: int) -> Tensor:
    return torch.rand(3, channels, size, size, generator=torch.Generator().manual_seed(0))


def resnet_of(network: type[TorchvisionResNet], stem: str, size: int) -> TorchvisionResNet:
    params: Any = network.Params.model_validate({"stem": stem})
    return network(params, 3, size)


def theirs(ours: TorchvisionResNet, change: bool) -> nn.Module:
    """torchvision's ResNet with the same weights; change: with the stem that papers give it for small images."""
    from torchvision import models

    network: nn.Module = {ResNet18: models.resnet18, ResNet50: models.resnet50}[type(ours)](weights=None)
    if change:
        network.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
        network.maxpool = nn.Identity()
    network.fc = nn.Identity()
    mine = list(ours.stem.state_dict().values()) + list(ours.layers.state_dict().values())
    network.load_state_dict(dict(zip(network.state_dict(), mine, strict=True)))
    return network


@pytest.mark.parametrize(
    ("network", "size", "stem", "small"),
    [
        (ResNet18, 32, "auto", True),
        (ResNet18, 63, "auto", True),
        (ResNet18, 64, "auto", False),
        (ResNet18, 64, "small", True),
        (ResNet18, 32, "photo", False),
        (ResNet50, 16, "auto", True),
        (ResNet50, 64, "auto", False),
    ],
)
def test_resnets_are_torchvisions_with_the_stem_that_the_size_asks_for(
    network: type[TorchvisionResNet], size: int, stem: str, small: bool
) -> None:
    ours = resnet_of(network, stem, size)
    images = make_images(3, size)
    for mode in (True, False):
        expected = theirs(ours, small).train(mode)(images)
        assert torch.allclose(ours.train(mode)(images), expected, atol=1e-4)


@pytest.mark.parametrize(("network", "weights"), [(ResNet18, 11_689_512), (ResNet50, 25_557_032)])
def test_resnets_with_the_stem_for_photos_have_as_many_weights_as_the_papers(
    network: type[TorchvisionResNet], weights: int
) -> None:
    """torchvision's counts, with a linear layer of 1,000 classes."""
    backbone = resnet_of(network, "photo", 64)
    assert sum(p.numel() for p in backbone.parameters()) + (backbone.feature_size + 1) * 1000 == weights


def test_conv_encoder_has_64_128_and_256_channels_and_as_many_features_as_asked() -> None:
    backbone = ConvEncoder(ConvEncoder.Params(output=40), 3, 32)
    assert [m.out_channels for m in backbone.modules() if isinstance(m, nn.Conv2d)] == [64, 128, 256]
    assert backbone(make_images(3, 32)).shape == (3, 40)


@pytest.mark.parametrize(
    ("settings", "channels", "classes", "weights"),
    [
        ({"depth": 28, "widen": 2}, 3, 10, 1_467_610),
        ({"depth": 28, "widen": 2}, 3, 100, 1_479_220),
        ({"depth": 28, "widen": 8}, 3, 100, 23_401_012),
        ({"depth": 28, "widen": 2}, 1, 10, 1_467_322),
        ({"depth": 16, "widen": 2}, 3, 10, 691_674),
        ({"depth": 28, "widen": 2, "groups": 4}, 3, 10, 5_929_434),
        ({"depth": 28, "widen": 2, "groups": 4, "first_stride": 2}, 3, 10, 5_929_434),
    ],
)
def test_wide_resnet_has_as_many_weights_as_the_papers_code(
    settings: dict[str, int], channels: int, classes: int, weights: int
) -> None:
    """Counts of google-research/fixmatch's network with its linear layer, without biases of convolutions."""
    backbone = WideResNet(WideResNet.Params.model_validate(settings), channels, 32)
    assert sum(p.numel() for p in backbone.parameters()) + (backbone.feature_size + 1) * classes == weights


def test_wide_resnet_of_four_groups_counts_37_convolutions_and_ends_at_an_eighth_of_the_size() -> None:
    backbone = WideResNet(WideResNet.Params(widen=1, groups=4), 3, 32).eval()
    assert sum(isinstance(m, nn.Conv2d) for m in backbone.modules()) == 37 - 1  # at k = 1 the first shortcut has none
    sides = []
    x = backbone.stem(make_images(3, 32))
    for group in backbone.groups:
        x = group(x)
        sides.append(x.shape[-1])
    assert sides == [32, 16, 8, 4]
    halved = WideResNet(WideResNet.Params(widen=1, groups=4, first_stride=2), 3, 32).eval()
    assert halved.groups(halved.stem(make_images(3, 32))).shape == (3, 128, 2, 2)
    assert halved(make_images(3, 32)).shape == (3, 128)


def test_wide_resnet_norms_have_the_eps_that_is_asked_for_and_torchs_otherwise() -> None:
    for settings, eps in (({}, 1e-5), ({"eps": 1e-3}, 1e-3)):
        backbone = WideResNet(WideResNet.Params.model_validate({"depth": 10, "widen": 1, **settings}), 3, 16)
        assert {norm.eps for norm in backbone.modules() if isinstance(norm, nn.BatchNorm2d)} == {eps}
    assert WideResNet.Params(depth=28).model_dump() == {
        "name": "wide_resnet",
        "init": "random",
        "depth": 28,
        "momentum": 0.1,
        "widen": 2,
    }


def test_wide_resnet_reads_the_activated_input_in_the_first_shortcut_and_the_raw_one_elsewhere() -> None:
    """The network once more, by torch's functions and the names of its weights alone."""
    backbone = WideResNet(WideResNet.Params.model_validate({"depth": 16, "widen": 1}), 3, 16).double().eval()
    state = {name: value.double() for name, value in backbone.state_dict().items()}

    def activated(x: Tensor, name: str) -> Tensor:
        scale = state[f"{name}.weight"] / (state[f"{name}.running_var"] + 1e-5).sqrt()
        x = (x - state[f"{name}.running_mean"][:, None, None]) * scale[:, None, None] + state[f"{name}.bias"][
            :, None, None
        ]
        return torch.where(x > 0, x, 0.1 * x)

    x = torch.conv2d(make_images(3, 16).double(), state["stem.weight"], padding=1)
    for group in range(3):
        for block in range(2):
            at, stride = f"groups.{group}.{block}", 2 if group and not block else 1
            first = activated(x, f"{at}.norms.0")
            inner = torch.conv2d(
                activated(
                    torch.conv2d(first, state[f"{at}.kernels.0.weight"], stride=stride, padding=1), f"{at}.norms.1"
                ),
                state[f"{at}.kernels.1.weight"],
                padding=1,
            )
            around = first if group == block == 0 else x
            x = inner + (
                torch.conv2d(around, state[f"{at}.shortcut.weight"], stride=stride)
                if f"{at}.shortcut.weight" in state
                else around
            )
    assert torch.allclose(backbone.features(make_images(3, 16).double()), activated(x, "norm").mean((2, 3)))


def test_convnet_12_ends_at_six_by_six_places_and_drops_nothing_when_it_answers() -> None:
    backbone = ConvNet12(ConvNet12.Params(), 3, 32).eval()
    assert backbone.blocks(make_images(3, 32)).shape == (3, 128, 6, 6)
    assert [
        (m.out_channels, m.kernel_size[0], m.padding[0]) for m in backbone.modules() if isinstance(m, nn.Conv2d)
    ] == [
        *[(128, 3, 1)] * 3,
        *[(256, 3, 1)] * 3,
        (512, 3, 0),
        (256, 1, 0),
        (128, 1, 0),
    ]
    assert torch.equal(backbone(make_images(3, 32)), backbone(make_images(3, 32)))
    assert not torch.equal(backbone.train()(make_images(3, 32)), backbone.train()(make_images(3, 32)))
