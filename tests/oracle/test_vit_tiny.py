"""The Vision Transformer against timm's, its parameters counted by hand, and its positions against lightly's."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from engine.backbones.vit_tiny import ViTTiny, fixed_positions, usual_patch
from engine.errors import ConfigError


def images_of(size: int, channels: int = 3) -> Tensor:
    return torch.rand(2, channels, size, size, generator=torch.Generator().manual_seed(0))


def network_of(size: int, channels: int = 3, **settings: object) -> ViTTiny:
    return ViTTiny(ViTTiny.Params.model_validate(settings), channels, size)


def timms(size: int, patch: int, **settings: object) -> nn.Module:
    timm = pytest.importorskip("timm")
    network: nn.Module = timm.models.vision_transformer.VisionTransformer(
        img_size=size, patch_size=patch, embed_dim=192, depth=12, num_heads=3, num_classes=0, **settings
    )
    return network.eval()


def test_it_has_the_parameters_of_vit_tiny_counted_by_hand() -> None:
    """Of color images of 224 pixels and patches of 16, without a head: timm's vit_tiny_patch16_224 has 5,524,416."""
    width, patches = 192, (224 // 16) ** 2
    tokens = (3 * 16 * 16 + 1) * width + width + (1 + patches) * width
    attention = (width + 1) * 3 * width + (width + 1) * width
    mlp = (width + 1) * 4 * width + (4 * width + 1) * width
    by_hand = tokens + 12 * (attention + mlp + 2 * 2 * width) + 2 * width
    assert by_hand == 5_524_416
    assert sum(p.numel() for p in network_of(224).parameters()) == by_hand
    assert sum(p.numel() for p in timms(224, 16).parameters()) == by_hand


@pytest.mark.parametrize(("size", "channels", "patch"), [(32, 3, 4), (8, 1, 2)])
@pytest.mark.parametrize("pooling", ["class_token", "mean"])
def test_its_features_are_timms_with_the_same_weights(size: int, channels: int, patch: int, pooling: str) -> None:
    theirs = timms(size, patch, in_chans=channels, global_pool="")
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.add_(0.02 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
    ours = network_of(size, channels, pooling=pooling).eval()
    missing, unexpected = ours.load_state_dict(ours.own_names(theirs.state_dict()), strict=False)
    assert (missing, unexpected) == (["mean", "std"], [])
    images = images_of(size, channels)
    outputs = theirs(images)
    expected = outputs[:, 0] if pooling == "class_token" else outputs[:, 1:].mean(1)
    torch.testing.assert_close(ours(images), expected, atol=1e-5, rtol=1e-4)
    visible = torch.tensor([[0, 2], [1, 3]])
    assert ours(images, visible).shape == (2, 3, 192)


def test_fixed_positions_are_lightlys_and_those_of_a_loop() -> None:
    from lightly.models.utils import get_2d_sine_cosine_positional_embedding

    ours = fixed_positions(16, 3)
    theirs = get_2d_sine_cosine_positional_embedding(embed_dim=16, grid_size=3, cls_token=True)
    torch.testing.assert_close(ours[0], torch.as_tensor(theirs).float(), atol=1e-6, rtol=0)
    assert ours[0, 0].abs().max() == 0
    for row in range(3):
        for column in range(3):
            angles = [[at / 10_000 ** (i / 4) for i in range(4)] for at in (column, row)]
            expected = [f(a) for one in angles for f in (math.sin, math.cos) for a in one]
            assert ours[0, 1 + 3 * row + column].tolist() == pytest.approx(expected, abs=1e-6)


def test_fixed_positions_are_not_trained_and_learned_ones_are() -> None:
    fixed, learned = network_of(8, positions="fixed"), network_of(8)
    names = [{name for name, _ in network.named_parameters()} for network in (fixed, learned)]
    assert names[1] - names[0] == {"tokens.positions"}
    assert torch.equal(fixed.tokens.positions, fixed_positions(192, 4))


@pytest.mark.parametrize(
    ("size", "patch"), [(4, 2), (8, 2), (12, 2), (28, 4), (32, 4), (33, 3), (64, 8), (96, 8), (128, 16), (224, 16)]
)
def test_patches_follow_the_images_size(size: int, patch: int) -> None:
    assert usual_patch(size) == patch
    assert network_of(size, depth=1).patch == patch


def test_sides_that_make_no_whole_or_too_many_patches_are_refused_in_a_sentence() -> None:
    with pytest.raises(ConfigError) as refused:
        network_of(32, patch=5)
    assert str(refused.value) == (
        "vit_tiny cuts images into squares of 5 pixels, which 32 pixels are no multiple of: choose another size of"
        " squares or of images."
    )
    with pytest.raises(ConfigError) as refused:
        network_of(37)
    assert str(refused.value) == (
        "vit_tiny would cut images of 37 pixels into 1369 patches of 1, and takes 1024 at most: choose images whose"
        " side is a multiple of 16, or set backbone.patch to a larger divisor of it."
    )
    with pytest.raises(ConfigError) as refused:
        ViTTiny.Params.parse({"width": 100, "heads": 3})
    assert str(refused.value) == (
        "backbone.width is 100 but must be a multiple of 4 and of the 3 heads: choose 108, or other heads."
    )
