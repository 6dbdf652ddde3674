"""Own photos from a pretrained network: features once for all runs, told, stopped and gone on with; grey and tiny
images too.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file
from torch import Tensor

from engine.backbones.efficientnet_lite import EfficientNetLite
from engine.config.run_config import RunConfig
from engine.images.decode import read_image
from engine.predictor import Predictor
from engine.presets import PRESETS
from engine.runs.folder import RunFolder, Status
from engine.runs.store import Store
from engine.training.commands import Command, Control
from engine.training.evaluation import feature_cache
from engine.training.trainer import Trainer
from tests.fixtures_images import encoded, folder_of

CLASSES = ("zebra", "ant", "moss")  # not in the order of their names
HUES = {"zebra": (200, 40, 40), "ant": (40, 200, 40), "moss": (40, 40, 200)}


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEWLAB_CACHE", str(tmp_path / "cache"))


def photos(root: Path, side: int = 40, grey: bool = False) -> Path:
    """60 noisy images of a color or, grey, of a brightness for each class."""
    rng = np.random.default_rng(0)
    files: dict[str, bytes] = {}
    for number, name in enumerate(CLASSES):
        for i in range(60):
            base = np.full((side, side), 60 + 70 * number) if grey else np.tile(HUES[name], (side, side, 1))
            files[f"{name}/{i}.png"] = encoded((base + rng.integers(-30, 31, base.shape)).clip(0, 255).astype(np.uint8))
    return folder_of(root, files)


def made(tmp_path: Path, preset: str, path: Path, size: int = 32, **more: Any) -> RunFolder:
    config = RunConfig.parse({**PRESETS[preset].config, "hardware": {"device": "cpu", "threads": 1}, **more})
    changes = {"data.path": str(path), "data.size": size, "data.labels.per_class": 5}
    return Store(tmp_path / "checkpoints").create(config.with_changes(changes).model_dump(mode="json"))


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Blocks that went through a network."""
    blocks: list[int] = []
    compute = feature_cache.FeatureCache._compute

    def counted(cache: feature_cache.FeatureCache, block: int) -> None:
        blocks.append(block)
        compute(cache, block)

    monkeypatch.setattr(feature_cache.FeatureCache, "_compute", counted)
    return blocks


def test_every_run_on_the_same_photos_reads_the_features_of_the_first(tmp_path: Path, computed: list[int]) -> None:
    path, told = photos(tmp_path / "photos"), list[str]()
    first = made(tmp_path, "photos-probe", path)
    status = Trainer(first, progress=lambda status: told.append(status.reason)).run()
    assert sorted(computed) == [0, 1]  # 180 images in blocks of 128, also for evaluations and final metrics
    # 36 are test images and a tenth of the rest are held back; the other half of a block comes with its first image.
    assert next(words for words in told if words.startswith("features of ")) == "features of 0 of 129 images"
    assert any(" s left" in words for words in told)
    assert status.metrics["test/accuracy"] == 1
    second = Trainer(made(tmp_path, "photos-spread", path)).run()
    assert sorted(computed) == [0, 1]
    assert second.metrics["test/accuracy"] == 1
    # What leaves the lab answers as it did inside.
    predictor = Predictor(first)
    (answer,) = predictor.predict([read_image((path / "ant" / "3.png").read_bytes())])
    assert predictor.class_names[int(answer.probabilities.argmax())] == "ant"


def test_told_to_stop_meanwhile_a_run_keeps_what_it_has_and_goes_on_from_there(
    tmp_path: Path, computed: list[int]
) -> None:
    folder, control = made(tmp_path, "photos-probe", photos(tmp_path / "photos")), Control()

    def stop(status: Status) -> None:
        if status.reason.startswith("features of 0 "):
            control.send(Command("stop"))

    assert Trainer(folder, control, stop).run().state == "stopped"
    assert computed == [0]
    assert Trainer(folder).run().state == "finished"
    assert computed == [0, 1]


def test_a_stop_while_a_resumed_runs_features_are_missing_leaves_its_model_and_figures(tmp_path: Path) -> None:
    path, control = photos(tmp_path / "photos"), Control()
    folder = made(tmp_path, "photos-spread", path)
    Trainer(folder).run()
    model, before = folder.model_file.read_bytes(), folder.status().metrics
    assert before["test/accuracy"] > 0.5
    shutil.rmtree(tmp_path / "cache" / "features")
    folder.update_status(state="interrupted")  # as if it had been killed after its last step
    Store(tmp_path / "checkpoints").requeue(folder.id, "")
    control.send(Command("stop"))
    status = Trainer(folder, control).run()
    assert status.state == "stopped"
    assert folder.model_file.read_bytes() == model
    assert status.metrics == before


@pytest.mark.parametrize("preset", ["photos-probe", "photos-spread"])
def test_the_time_is_estimated_from_one_block_and_the_rest_is_not_computed(
    tmp_path: Path, computed: list[int], preset: str
) -> None:
    path = photos(tmp_path / "photos")
    figures = Trainer(made(tmp_path, preset, path)).measure()
    assert figures["features"] > 0
    assert computed == [0]
    figures = Trainer(made(tmp_path, preset, path)).measure()  # all but one block are there, then all
    assert "features" not in figures
    assert computed == [0, 1]
    assert Trainer(made(tmp_path, preset, path)).measure()["step"] > 0
    assert computed == [0, 1]


@pytest.mark.parametrize(("side", "size", "grey"), [(8, 8, False), (40, 32, True)])
def test_tiny_and_grey_images_have_features_too(tmp_path: Path, side: int, size: int, grey: bool) -> None:
    path = photos(tmp_path / "photos", side, grey)
    status = Trainer(made(tmp_path, "photos-probe", path, size)).run()
    assert status.metrics["test/accuracy"] > 0.9


def test_a_network_that_is_trained_is_never_read_from_the_cache(tmp_path: Path, computed: list[int]) -> None:
    more: dict[str, Any] = {
        "method": {"name": "fine_tune"},
        "budget": {"steps": 2, "batch_size": 4, "evaluate_every": 2},
    }
    assert Trainer(made(tmp_path, "photos-probe", photos(tmp_path / "photos"), **more)).run().state == "finished"
    assert computed == []


@pytest.mark.parametrize("preset", ["photos-fine-tune", "photos-fixmatch"])
def test_a_preset_that_trains_the_whole_network_takes_it_from_its_weights_to_a_model(
    tmp_path: Path, preset: str, computed: list[int]
) -> None:
    path = photos(tmp_path / "photos")
    (path / "moss" / "0.png").rename(path / "keep.png")
    for file in sorted((path / "moss").iterdir())[3:]:
        file.unlink()  # moss has three images, of which one is a test image
    folder = made(tmp_path, preset, path, budget={"steps": 6, "batch_size": 6, "evaluate_every": 6})
    status = Trainer(folder).run()
    assert (status.state, status.step, computed) == ("finished", 6, [])
    assert len(folder.split()["labeled"]) == 5 + 5 + 2
    assert status.metrics["test/accuracy"] > 0.5
    weights, start = load_file(folder.model_file), pretrained()
    # Every part has moved from where it began, but not far.
    for name in ("stem.conv.weight", "blocks.6.0.project.conv.weight", "top.conv.weight"):
        moved = (weights[f"backbone.{name}"] - start[name]).abs().max()
        assert 0 < moved < 0.1, name
    (answer,) = Predictor(folder).predict([read_image((path / "ant" / "3.png").read_bytes())])
    assert answer.probabilities.shape == (3,)


def pretrained() -> dict[str, Tensor]:
    return EfficientNetLite(EfficientNetLite.Params(), 3, 32).pretrained()
