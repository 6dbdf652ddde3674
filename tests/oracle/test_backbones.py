"""Backbones against torchvision's networks and against their own description."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from engine.backbones.backbone import Backbone
from engine.backbones.conv_encoder import ConvEncoder
from engine.backbones.resnet18 import ResNet18
from engine.errors import ConfigError


def pictures(channels: int, size: int) -> Tensor:
    return torch.rand(3, channels, size, size, generator=torch.Generator().manual_seed(0))


def theirs(ours: ResNet18, change: bool) -> nn.Module:
    """torchvision's ResNet-18 with the same weights; change: with the stem that papers give it for small pictures."""
    from torchvision.models import resnet18

    network = resnet18(weights=None)
    if change:
        network.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
        network.maxpool = nn.Identity()
    network.fc = nn.Identity()
    mine = list(ours.stem.state_dict().values()) + list(ours.layers.state_dict().values())
    network.load_state_dict(dict(zip(network.state_dict(), mine, strict=True)))
    return network


@pytest.mark.parametrize(("size", "stem", "small"), [(32, "auto", True), (63, "auto", True), (64, "auto", False), (64, "small", True), (32, "photo", False)])
def test_resnet18_is_torchvisions_with_the_stem_that_the_size_asks_for(size: int, stem: str, small: bool) -> None:
    ours = ResNet18(ResNet18.Params.model_validate({"stem": stem}), 3, size)
    images = pictures(3, size)
    for mode in (True, False):
        expected = theirs(ours, small).train(mode)(images)
        assert torch.allclose(ours.train(mode)(images), expected, atol=1e-4)


@pytest.mark.parametrize("cls", [ConvEncoder, ResNet18])
@pytest.mark.parametrize(("channels", "size"), [(1, 8), (3, 32), (1, 28)])
def test_features_have_the_promised_size_and_every_weight_gets_a_gradient(cls: type[Backbone], channels: int, size: int) -> None:
    backbone = cls(cls.Params(), channels, size)  # type: ignore[call-arg]  # every backbone's name has a default
    features = backbone(pictures(channels, size))
    assert features.shape == (3, backbone.feature_size)
    features.square().sum().backward()
    for name, parameter in backbone.named_parameters():
        assert parameter.grad is not None, name
    assert {id(p) for stage in backbone.stages() for p in stage.parameters()} == {id(p) for p in backbone.parameters()}


def test_conv_encoder_has_64_128_and_256_channels_and_as_many_features_as_asked() -> None:
    backbone = ConvEncoder(ConvEncoder.Params(output=40), 3, 32)
    assert [m.out_channels for m in backbone.modules() if isinstance(m, nn.Conv2d)] == [64, 128, 256]
    assert backbone(pictures(3, 32)).shape == (3, 40)


def test_pictures_too_small_are_refused() -> None:
    with pytest.raises(ConfigError, match="conv_encoder needs pictures of at least 4 pixels, but these have 3"):
        ConvEncoder(ConvEncoder.Params(), 1, 3)
