"""The suite that every registered backbone passes, without anyone writing a test for it but its count of parameters."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from engine.backbones.backbone import Backbone
from engine.config.parts import BackboneParams
from engine.errors import ConfigError
from engine.registry import backbones
from tests.contract.other_values import other_values, settings_of

BACKBONES = list(backbones)
SETTINGS = [(name, own) for name in BACKBONES for own in settings_of(backbones[name].Params, BackboneParams)]
# Of color images of 32 pixels. Old runs and saved models are read by these networks only while they stay as they are.
PARAMETERS = {
    "conv_encoder": 404_160,  # 9·(3·64 + 64·128 + 128·256) = 370,368, 2·(64 + 128 + 256) = 896, 257·128 = 32,896
    "convnet_12": 3_120_512,
    "efficientnet_lite": 3_371_008,  # timm's tf_efficientnet_lite0 without its classifier
    "pixels": 0,
    "resnet18": 11_168_832,  # torchvision's 11,689,512 less its head of 513,000 and 49 - 9 places of 3·64 kernels
    "resnet50": 23_500_352,  # torchvision's 25,557,032 less its head of 2,049,000 and 49 - 9 places of 3·64 kernels
    "simple_cnn": 224,  # 3·3·3·8 + 8
    "small_cnn": 60_688,  # 9·(3·16 + 16·32 + 32·64 + 64·64) = 60,336 and 2·(16 + 32 + 64 + 64)
    "timm": 2_493_024,  # of its default, MobileNetV4-Conv-S without its classifier
    # Patches of 4: 192·(3·16 + 1) + 192 of the class token + 65·192 positions, 12 blocks of 2·2·192 (norms) +
    # 192·576 + 576 + 192·192 + 192 (attention) + 2·192·768 + 768 + 192 (MLP), and 2·192 of the last norm.
    "vit_tiny": 5_360_832,
    "wide_resnet": 1_466_320,  # 1,467,610 of the paper's code less its head of 129·10
}


def make_images(channels: int = 3, size: int = 32, count: int = 4) -> Tensor:
    return torch.rand(count, channels, size, size, generator=torch.Generator().manual_seed(0))


def build(name: str, channels: int = 3, size: int = 32, seed: int = 0, **params: Any) -> Backbone:
    """Its initial weights follow from the seed; the global generator is left as it was."""
    if name == "timm" and importlib.util.find_spec("timm") is None and os.environ.get("FEWLAB_REQUIRE_EXTRAS") != "1":
        pytest.skip("timm is not installed: pip install -r requirements-extras.txt")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made: Backbone = backbones[name](backbones[name].Params(**params), channels, size)
    return made


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def skip_unless_it_learns(name: str) -> None:
    if not backbones[name].learns:
        pytest.skip(f"{name} has nothing to train")


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("backbone", BACKBONES)
def test_features_have_the_promised_size_from_the_smallest_images_on(backbone: str, channels: int) -> None:
    for size in sorted({backbones[backbone].smallest, 12, 28, 32, 33}):
        if size < backbones[backbone].smallest:
            continue
        network = build(backbone, channels, size).eval()
        images = make_images(channels, size)
        before = images.clone()
        features = network(images)
        assert features.shape == (4, network.feature_size), size
        assert features.dtype == torch.float32, size
        assert torch.isfinite(features).all(), size
        assert network(images[:1]).shape == (1, network.feature_size), size
        assert torch.equal(images, before), size


@pytest.mark.parametrize("backbone", BACKBONES)
def test_one_pixel_less_than_the_smallest_image_is_refused_in_a_sentence(backbone: str) -> None:
    smallest = backbones[backbone].smallest
    with pytest.raises(ConfigError) as refused:
        build(backbone, 1, smallest - 1)
    assert str(refused.value) == (
        f"{backbone} needs images of at least {smallest} pixels, but these have {smallest - 1}: choose another backbone"
        " or enlarge the images."
    )


@pytest.mark.parametrize("backbone", BACKBONES)
def test_images_are_normalized_first_by_the_mean_and_std_it_carries(backbone: str) -> None:
    plain, shifted = build(backbone).eval(), build(backbone).eval()
    mean, std = torch.tensor([0.1, 0.2, 0.3]), torch.tensor([0.5, 0.25, 2.0])
    shifted.mean.copy_(mean)
    shifted.std.copy_(std)
    images = make_images()
    by_hand = torch.stack([(images[:, c] - mean[c]) / std[c] for c in range(3)], 1)
    assert torch.allclose(shifted(images), plain(by_hand), atol=1e-5)
    assert not torch.allclose(shifted(images), plain(images), atol=1e-5)
    assert {"mean", "std"} <= shifted.state_dict().keys()  # whoever loads the weights cannot forget them


@pytest.mark.parametrize("backbone", BACKBONES)
def test_initial_weights_follow_from_the_seed(backbone: str) -> None:
    assert same(build(backbone).state_dict(), build(backbone).state_dict())
    skip_unless_it_learns(backbone)
    assert not same(build(backbone).state_dict(), build(backbone, seed=1).state_dict())


@pytest.mark.parametrize("backbone", BACKBONES)
def test_in_eval_mode_an_image_is_answered_alone_as_among_others_and_nothing_moves(backbone: str) -> None:
    network = build(backbone)
    network(make_images(count=8))  # statistics of batch norm that are not those of the start
    network.eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    images = make_images()
    assert torch.allclose(network(images[:1]), network(images)[:1], atol=1e-4)
    assert torch.equal(network(images), network(images))
    assert same(before, network.state_dict())


@pytest.mark.parametrize("backbone", BACKBONES)
def test_in_train_mode_one_pass_moves_each_batch_norm_once(backbone: str) -> None:
    network = build(backbone)
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    if not norms:
        pytest.skip(f"{backbone} has no batch norm")
    before = [norm.get_buffer("running_mean").clone() for norm in norms]
    network(make_images())
    assert [int(norm.get_buffer("num_batches_tracked")) for norm in norms] == [1] * len(norms)
    after = [norm.get_buffer("running_mean") for norm in norms]
    assert not any(torch.equal(a, b) for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize("backbone", BACKBONES)
def test_stages_hold_every_parameter_exactly_once(backbone: str) -> None:
    network = build(backbone)
    in_stages = [id(p) for stage in network.stages() for p in stage.parameters()]
    assert sorted(in_stages) == sorted(id(p) for p in network.parameters())
    assert all(any(True for _ in stage.parameters()) for stage in network.stages()), "a stage without parameters"
    assert bool(in_stages) == backbones[backbone].learns


@pytest.mark.parametrize("backbone", BACKBONES)
def test_it_has_as_many_parameters_as_it_always_had(backbone: str) -> None:
    count = sum(p.numel() for p in build(backbone).parameters())
    assert backbone in PARAMETERS, f"a new backbone: write down its {count:,} parameters in PARAMETERS, and why"
    assert count == PARAMETERS[backbone]


@pytest.mark.parametrize("backbone", BACKBONES)
def test_a_saved_network_answers_as_it_did_before(backbone: str, tmp_path: Path) -> None:
    network = build(backbone)
    network.mean.fill_(0.3)
    network(make_images(count=8))
    save_file(network.state_dict(), tmp_path / "weights.safetensors")
    again = build(backbone, seed=1)
    again.load_state_dict(load_file(tmp_path / "weights.safetensors"))
    assert torch.equal(again.eval()(make_images()), network.eval()(make_images()))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("backbone", BACKBONES)
def test_a_gradient_reaches_every_parameter(backbone: str, channels: int) -> None:
    skip_unless_it_learns(backbone)
    network = build(backbone, channels)
    weights = torch.rand(network.feature_size, generator=torch.Generator().manual_seed(1))
    (network(make_images(channels)) * weights).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize(("backbone", "setting"), SETTINGS)
def test_each_setting_changes_the_network_or_is_refused(backbone: str, setting: str) -> None:
    values = other_values(backbones[backbone].Params, setting)
    assert values, "a setting that can have one value only is none"

    def trained_answer(**params: Any) -> tuple[Tensor, Tensor]:
        network = build(backbone, **params)
        torch.manual_seed(0)  # of dropout
        first = network(make_images())
        return first, network.eval()(make_images())  # batch norm has moved

    def differs(value: Any) -> bool:
        return any(
            a.shape != b.shape or not torch.equal(a, b)
            for a, b in zip(trained_answer(**{setting: value}), trained_answer(), strict=True)
        )

    assert any(differs(value) for value in values), values


@pytest.mark.parametrize("backbone", BACKBONES)
def test_pretrained_weights_are_refused_in_a_sentence_where_there_are_none(backbone: str) -> None:
    if backbones[backbone].has_pretrained:
        pytest.skip(f"{backbone} has some: tests/integration/test_transfer.py")
    with pytest.raises(ConfigError) as refused:
        build(backbone).pretrained()
    assert str(refused.value) == (
        f"There are no pretrained weights for {backbone}: start from random, run:<id> or file:<path>."
    )


@pytest.mark.parametrize("backbone", BACKBONES)
def test_people_are_told_what_it_is(backbone: str) -> None:
    cls = backbones[backbone]
    assert cls.title.strip()
    assert cls.summary.strip().endswith(".")
    for name, field in cls.Params.model_fields.items():
        assert field.description or name == "name", name


def test_no_count_is_kept_of_a_backbone_that_is_gone() -> None:
    assert set(PARAMETERS) <= set(BACKBONES)
