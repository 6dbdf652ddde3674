"""Features of a frozen network: computed once, the same for whoever asks, and never lost or wrong on the way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from filelock import FileLock
from torch import Tensor, nn

from engine.backbones.backbone import Backbone
from engine.backbones.efficientnet_lite import EfficientNetLite
from engine.backbones.small_cnn import SmallCNN
from engine.config.parts import Hardware
from engine.data.image_set import ImageSet
from engine.training.evaluation import feature_cache, onnx_network
from engine.training.evaluation.feature_cache import BLOCK, FeatureCache, folded
from engine.training.hardware import resolve

COUNT = 2 * BLOCK + 40
MACHINE = resolve(Hardware(device="cpu", threads=1))
EVERY = np.arange(COUNT)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FEWLAB_CACHE", str(tmp_path))
    monkeypatch.setattr(feature_cache, "_PATIENCE", 0.1)
    return tmp_path


def images(seed: int = 0, count: int = COUNT, channels: int = 1, side: int = 8) -> ImageSet:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (count, channels, side, side), dtype=np.uint8)
    return ImageSet(
        "drawn",
        pixels,
        rng.integers(0, 3, count),
        rng.permutation(10_000)[:count],
        np.zeros(count, bool),
        ("z", "a", "m"),
        frozenset(),
    )


class Counted(SmallCNN):
    """Counts the images that go through it, over all copies."""

    seen = 0

    def features(self, images: Tensor) -> Tensor:
        Counted.seen += len(images)
        return super().features(images)


def network(kind: type[SmallCNN] = Counted, seed: int = 0) -> Backbone:
    torch.manual_seed(seed)
    made = kind(kind.Params(), 1, 8)
    for norm in made.modules():
        if isinstance(norm, nn.BatchNorm2d):  # statistics that fold into something else than nothing
            norm.running_mean = torch.randn(norm.num_features)
            norm.running_var = torch.rand(norm.num_features) + 0.5
    Counted.seen = 0
    return made.eval()


def expected(backbone: Backbone, of: ImageSet) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    with torch.inference_mode():
        found: np.ndarray[tuple[int, ...], np.dtype[np.float32]] = backbone(torch.as_tensor(of.images) / 255).numpy()
    return found


def test_they_are_the_networks_own_in_the_order_that_was_asked_for() -> None:
    backbone, of = network(SmallCNN), images()
    wanted = np.random.default_rng(1).permutation(COUNT)[:50]
    np.testing.assert_allclose(
        FeatureCache(of, backbone, MACHINE).at(wanted), expected(backbone, of)[wanted], atol=1e-5
    )


def test_an_image_goes_through_the_network_once_whoever_asks_and_however_often() -> None:
    backbone, of = network(), images()
    cache = FeatureCache(of, backbone, MACHINE)
    first = cache.at(EVERY[:10])
    assert Counted.seen == BLOCK  # the whole block, so that features do not depend on who asks
    whole = cache.at(EVERY)
    assert Counted.seen == COUNT
    again = FeatureCache(of, network(), MACHINE).at(EVERY)  # as another process finds it
    assert Counted.seen == 0
    np.testing.assert_array_equal(whole, again)
    np.testing.assert_array_equal(first, whole[:10])


def test_other_weights_images_or_machines_have_features_of_their_own() -> None:
    FeatureCache(images(), network(), MACHINE).at(EVERY)
    others = [replace(MACHINE, **other) for other in ({"threads": 2}, {"channels_last": False}, {"tf32": True})]
    cases = [(images(1), network(), MACHINE), (images(), network(seed=1), MACHINE)]
    for of, backbone, machine in [*cases, *((images(), network(), other) for other in others)]:
        Counted.seen = 0
        found = FeatureCache(of, backbone, machine).at(EVERY)
        assert Counted.seen == COUNT
        np.testing.assert_allclose(found, expected(backbone, of), atol=1e-5)


@pytest.mark.parametrize("name", ["running_mean", "running_var", "weight", "bias"])
def test_another_value_anywhere_in_the_network_has_features_of_its_own(name: str) -> None:
    """Of batch norm also the statistics, which are no parameters."""
    begun, moved = network(), network()
    FeatureCache(images(), begun, MACHINE).at(EVERY)
    norm = next(part for part in moved.modules() if isinstance(part, nn.BatchNorm2d))
    with torch.no_grad():
        norm.state_dict()[name].add_(0.25)
    Counted.seen = 0
    found = FeatureCache(images(), moved, MACHINE).at(EVERY)
    assert Counted.seen == COUNT
    np.testing.assert_allclose(found, expected(moved, images()), atol=1e-5)


@pytest.mark.parametrize("other", [{"deterministic": False}, {"precision": "bfloat16"}], ids=str)
def test_a_machine_that_may_round_otherwise_has_features_of_its_own(other: dict[str, Any]) -> None:
    FeatureCache(images(), network(), MACHINE).at(EVERY)
    backbone = network()
    FeatureCache(images(), backbone, replace(MACHINE, **other)).at(EVERY)
    assert Counted.seen == COUNT


def test_a_strangers_network_is_not_folded_and_has_other_features_in_another_version_of_its_package(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Activated(nn.BatchNorm2d):
        """As timm has them: folding would lose what comes after the normalization."""

        def forward(self, images: Tensor) -> Tensor:
            return super().forward(images).relu()

    class Strangers(Counted):
        package, is_foldable = "torch", False
        strange: nn.Sequential

        def features(self, images: Tensor) -> Tensor:
            features: Tensor = self.strange(super().features(images)[:, :, None, None])
            return features[:, :, 0, 0]

    def made() -> Backbone:
        backbone = network(Strangers)
        assert isinstance(backbone, Strangers)
        torch.manual_seed(1)
        size = backbone.feature_size
        backbone.strange = nn.Sequential(nn.Conv2d(size, size, 1), Activated(size)).eval()
        return backbone

    of, backbone = images(), made()
    found = FeatureCache(of, backbone, MACHINE).at(EVERY)
    np.testing.assert_allclose(found, expected(backbone, of), atol=1e-5)
    assert found.min() == 0
    Counted.seen = 0
    FeatureCache(of, made(), MACHINE).at(EVERY)
    assert Counted.seen == 0
    monkeypatch.setattr(feature_cache, "version", lambda package: "0.1")
    FeatureCache(of, made(), MACHINE).at(EVERY)
    assert Counted.seen == COUNT


def test_progress_is_told_and_whoever_is_stopped_goes_on_from_there() -> None:
    told: list[tuple[int, int]] = []

    def stop(done: int, total: int) -> None:
        told.append((done, total))
        if len(told) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        FeatureCache(images(), network(), MACHINE).at(EVERY, stop)
    assert told == [(0, COUNT), (BLOCK, COUNT)]
    assert Counted.seen == BLOCK
    told.clear()
    network()
    FeatureCache(images(), network(), MACHINE).at(EVERY, lambda done, total: told.append((done, total)))
    assert told == [(BLOCK, COUNT), (2 * BLOCK, COUNT), (COUNT, COUNT)]
    assert Counted.seen == COUNT - BLOCK


def test_a_damaged_file_is_made_anew(own_cache: Path) -> None:
    backbone, of = network(SmallCNN), images()
    right = FeatureCache(of, backbone, MACHINE).at(EVERY)
    (file,) = own_cache.glob("features/*/features.npy")
    for content in (b"", b"\x93NUMPY damaged", np.lib.format.magic(1, 0)):
        file.write_bytes(content)
        (file.parent / "done.npy").unlink()
        np.testing.assert_array_equal(FeatureCache(of, backbone, MACHINE).at(EVERY), right)


def test_features_that_were_lost_while_their_marks_were_not_are_computed_again(own_cache: Path) -> None:
    backbone, of = network(SmallCNN), images()
    right = FeatureCache(of, backbone, MACHINE).at(EVERY)
    (file,) = own_cache.glob("features/*/features.npy")
    file.unlink()
    np.testing.assert_array_equal(FeatureCache(of, backbone, MACHINE).at(EVERY), right)


def test_where_nothing_can_be_written_they_are_kept_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    backbone, of = network(), images()
    right = expected(backbone, of)
    Counted.seen = 0

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(feature_cache, "_write", full)
    cache = FeatureCache(of, backbone, MACHINE)
    np.testing.assert_allclose(cache.at(EVERY), right, atol=1e-5)
    np.testing.assert_allclose(cache.at(EVERY[::-1]), right[::-1], atol=1e-5)
    assert Counted.seen == COUNT
    monkeypatch.undo()
    monkeypatch.setenv("FEWLAB_CACHE", "/dev/null/nowhere")
    np.testing.assert_allclose(FeatureCache(of, backbone, MACHINE).at(EVERY), right, atol=1e-5)


def test_two_that_fill_one_file_read_each_others_blocks() -> None:
    backbone, of = network(SmallCNN), images()
    first, second = FeatureCache(of, backbone, MACHINE), FeatureCache(of, backbone, MACHINE)
    first.at(EVERY[:BLOCK])
    second.at(EVERY[BLOCK:])
    for cache in (first, second, FeatureCache(of, backbone, MACHINE)):
        np.testing.assert_allclose(cache.at(EVERY), expected(backbone, of), atol=1e-5)


def test_what_cannot_be_opened_is_not_written_to_either(own_cache: Path) -> None:
    backbone, of = network(SmallCNN), images()
    FeatureCache(of, backbone, MACHINE)
    (folder,) = own_cache.glob("features/*")
    with FileLock(folder / ".lock"):  # somebody makes the files, and does not come to an end
        kept = FeatureCache(of, backbone, MACHINE)
    np.testing.assert_allclose(kept.at(EVERY), expected(backbone, of), atol=1e-5)
    assert not np.load(folder / "done.npy").any()


def test_folding_leaves_the_answers_and_takes_the_batch_norms() -> None:
    torch.manual_seed(0)
    backbone = EfficientNetLite(EfficientNetLite.Params(), 3, 64)
    backbone.load_state_dict({**backbone.state_dict(), **backbone.pretrained()})
    backbone.eval()
    fused = folded(backbone)
    assert not any(isinstance(part, nn.BatchNorm2d) for part in fused.modules())
    assert any(isinstance(part, nn.BatchNorm2d) for part in backbone.modules())
    pixels = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        np.testing.assert_allclose(fused(pixels), backbone(pixels), atol=1e-4)


@pytest.mark.parametrize(
    ("side", "channels", "in_runtime"), [(8, 1, False), (96, 3, True), (97, 1, True), (300, 3, True)]
)
def test_a_pretrained_networks_features_are_its_own_to_a_ten_thousandth(
    side: int, channels: int, in_runtime: bool
) -> None:
    """They come from onnxruntime on a CPU, and from torch where the network enlarges images or rounds to bfloat16."""
    torch.manual_seed(0)
    backbone = EfficientNetLite(EfficientNetLite.Params(), channels, side)
    backbone.load_state_dict({**backbone.state_dict(), **backbone.pretrained()})
    of = images(side=side, channels=channels, count=5)
    assert onnx_network.runs(backbone, MACHINE) == in_runtime
    assert not onnx_network.runs(backbone, replace(MACHINE, precision="bfloat16"))
    found = FeatureCache(of, backbone, MACHINE).at(np.arange(5))
    np.testing.assert_allclose(found, expected(backbone.eval(), of), atol=1e-4)
    np.testing.assert_array_equal(found[3:], FeatureCache(of, backbone, MACHINE).at(np.arange(3, 5)))


def test_asking_for_features_leaves_a_network_that_trains_in_train_mode() -> None:
    backbone = EfficientNetLite(EfficientNetLite.Params(), 3, 96).train()
    FeatureCache(images(side=96, channels=3, count=2), backbone, MACHINE).at(np.arange(2))
    assert backbone.training
    assert all(part.training for part in backbone.modules())
