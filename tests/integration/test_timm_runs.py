"""Runs on timm's networks: features once for all runs, every stage opened in its turn, answers outside as inside."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from engine import load_run, train
from engine.backbones.timm_model import TimmModel
from engine.errors import ConfigError
from engine.images.decode import read_image
from engine.predictor import Predictor
from engine.training.evaluation import feature_cache
from tests.fixtures_images import encoded, folder_of

if importlib.util.find_spec("timm") is None and os.environ.get("FEWLAB_REQUIRE_EXTRAS") != "1":
    pytest.skip("timm is not installed: pip install -r requirements-extras.txt", allow_module_level=True)

import timm

VIT, RESNET = "test_vit.r160_in1k", "test_resnet.r160_in1k"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEWLAB_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Thirty noisy images of each of two colors."""
    rng = np.random.default_rng(0)
    colors = {"zebra": (200, 40, 40), "ant": (40, 40, 200)}
    files = {
        f"{name}/{i}.png": encoded((np.array(color) + rng.integers(-30, 31, (32, 32, 3))).clip(0, 255).astype(np.uint8))
        for name, color in colors.items()
        for i in range(30)
    }
    return folder_of(tmp_path / "photos", files)


def weights_of(model: str, folder: Path) -> Path:
    """A file as timm's authors share it: random weights, classifier included."""
    torch.manual_seed(3)
    network: Any = timm.create_model(model)
    path = folder / f"{model}.safetensors"
    save_file(network.state_dict(), path)
    return path


def plain(method: str, model: str, photos: Path, weights: Path, **settings: Any) -> dict[str, Any]:
    return {
        "method": {"name": method, **settings},
        "data": {"name": "folder", "path": str(photos), "labels": {"kind": "few", "per_class": 5}},
        "backbone": {"name": "timm", "model": model, "init": f"file:{weights}"},
        "budget": {"steps": 20, "batch_size": 8, "evaluate_every": 20},
        "hardware": {"device": "cpu", "threads": 1},
    }


def test_features_of_a_frozen_timm_network_are_computed_once_for_all_runs(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks: list[int] = []
    compute = feature_cache.FeatureCache._compute

    def counted(cache: feature_cache.FeatureCache, block: int) -> None:
        blocks.append(block)
        compute(cache, block)

    monkeypatch.setattr(feature_cache.FeatureCache, "_compute", counted)
    weights = weights_of(VIT, tmp_path)
    first = train(plain("linear_probe", VIT, photos, weights, scaling="unit", regularization=100.0), tmp_path / "runs")
    assert blocks == [0]  # of 60 images, all evaluations included
    assert first.status.metrics["test/accuracy"] == 1
    second = train(plain("label_spreading", VIT, photos, weights), tmp_path / "runs")
    assert blocks == [0]
    assert second.status.metrics["test/accuracy"] > 0.9
    train(plain("linear_probe", RESNET, photos, weights_of(RESNET, tmp_path)), tmp_path / "runs")
    assert blocks == [0, 0]  # another network's are others
    # The file may be gone: what was learned carries its network along.
    weights.unlink()
    predictor = Predictor(load_run(first.id, tmp_path / "runs").folder)
    (answer,) = predictor.predict([read_image((photos / "ant" / "3.png").read_bytes())])
    assert predictor.class_names[int(answer.probabilities.argmax())] == "ant"


def test_kept_features_are_those_of_the_network_itself(photos: Path, tmp_path: Path) -> None:
    weights = weights_of(RESNET, tmp_path)
    run = train(plain("linear_probe", RESNET, photos, weights), tmp_path / "runs")
    (kept,) = (tmp_path / "cache" / "features").glob("*/features.npy")
    served = load_file(run.folder.model_file)
    network = TimmModel(TimmModel.Params(model=RESNET), 3, 32).eval()
    name = next(name for name in served if name.endswith("model.conv1.0.weight"))
    prefix = name.removesuffix("model.conv1.0.weight")
    network.load_state_dict({part: served[f"{prefix}{part}"] for part in network.state_dict()})
    (pixels,) = (tmp_path / "cache" / "decoded").glob("*/images.npy")
    with torch.inference_mode():
        features = network(torch.as_tensor(np.load(pixels)).float() / 255)
    assert np.load(kept) == pytest.approx(features.numpy(), abs=1e-5)


def test_fine_tuning_opens_a_timm_network_from_the_top(photos: Path, tmp_path: Path) -> None:
    weights = weights_of(RESNET, tmp_path)
    sharp = {"optimizer": {"name": "sgd", "lr": 0.05, "ema_decay": 0.0}}
    whole, opened = (
        train({**plain("fine_tune", RESNET, photos, weights, unfreezing=share), **sharp}, tmp_path / "runs")
        for share in (1.0, 0.5)
    )
    start = load_file(weights)

    def moved(run: Any, name: str) -> bool:
        trained = load_file(run.folder.model_file)
        return not torch.equal(trained[f"backbone.model.{name}"], start[name])

    # The stem opens at the end of the unfreezing: with the last step, too late, or after half of them.
    assert [moved(whole, name) for name in ("conv1.0.weight", "layer4.0.conv1.weight")] == [False, True]
    assert [moved(opened, name) for name in ("conv1.0.weight", "layer4.0.conv1.weight")] == [True, True]
    assert moved(whole, "bn1.running_mean") is False


def test_a_model_file_of_timms_network_without_the_package_is_one_sentence(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = train(plain("linear_probe", VIT, photos, weights_of(VIT, tmp_path)), tmp_path / "runs")
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name == "timm" else find(name, *more))
    with pytest.raises(ConfigError, match=r"^The network timm comes with the package timm, which is not installed"):
        Predictor(run.folder)


def test_labels_spread_from_all_that_were_given(photos: Path, tmp_path: Path) -> None:
    """Of each class three images in its folder, and the others without a label."""
    (photos / "unlabeled").mkdir()
    for name in ("zebra", "ant"):
        for i in range(3, 30):
            (photos / name / f"{i}.png").rename(photos / "unlabeled" / f"{name}{i}.png")
    config = plain("label_spreading", VIT, photos, weights_of(VIT, tmp_path))
    given = {"labels": {"kind": "all"}, "validation": 0.0}
    run = train({**config, "data": {**config["data"], **given}}, tmp_path / "runs")
    split = run.folder.split()
    assert (len(split["labeled"]), len(split["pool"]), len(split["test"])) == (4, 4 + 54, 2)
    assert run.status.metrics["test/accuracy"] == 1
    arrays = run.folder.snapshot(run.folder.snapshot_steps()[-1])
    found = dict(zip(arrays["pseudo_ids"].tolist(), arrays["pseudo_labels"].tolist(), strict=True))  # the last ones
    assert len(found) == 54
    # In the order of their names: 27 of the ant, then 27 of the zebra.
    labels = np.array([found[image] for image in sorted(found)])
    assert (labels == np.repeat([0, 1], 27)).mean() > 0.9
