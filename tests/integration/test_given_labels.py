"""Labels given inside FewLab reach training: images without labels, a log, a run, its features and its resume."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.config.run_config import RunConfig
from engine.data.labels.label_log import LabelLog
from engine.data.labels.label_records import Exclude, HoldBack, Label
from engine.errors import ConfigError, DataError, FewLabError
from engine.lab.executors.inline import train
from engine.lab.messages import ComputeFeatures, IsReady, Readiness
from engine.lab.workers.data_requests import compute_features, is_ready
from engine.registry import datasets
from engine.training.assemble import load_images
from tests.conftest import SHORT, merged
from tests.fixtures_images import folder_of, grey


def shades(tmp_path: Path) -> Path:
    """Sixty images without a label: thirty dark ones, thirty bright ones."""
    return folder_of(tmp_path / "photos", {f"{k:02}.png": grey(20 + k if k < 30 else 180 + k) for k in range(60)})


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FEWLAB_CACHE", str(tmp_path / "cache"))
    return shades(tmp_path)


@pytest.fixture
def log(tmp_path: Path) -> LabelLog:
    log = LabelLog(tmp_path / "labels")
    names = {"dark": [f"{k:02}.png" for k in range(0, 20)], "bright": [f"{k:02}.png" for k in range(30, 50)]}
    log.append("tab", 1, [Label(images=tuple(images), of=of, how="group") for of, images in names.items()])
    return log


def config(photos: Path, log: LabelLog, **more: Any) -> dict[str, Any]:
    data = {
        "name": "folder",
        "path": str(photos),
        "size": 8,
        "label_log": str(log.folder),
        "labels": {"kind": "all"},
    }
    return merged(SHORT, {"data": data, "method": "supervised", "backbone": "small_cnn", **more})


def test_a_run_learns_from_the_labels_and_is_tested_on_a_fifth_of_them(
    photos: Path, log: LabelLog, tmp_path: Path
) -> None:
    run = train(config(photos, log), tmp_path / "checkpoints")
    assert run.status.state == "finished"
    split = run.folder.split()
    assert (len(split["test"]), len(split["labeled"])) == (8, 28)
    assert run.status.metrics["test/accuracy"] == 1.0
    images = load_images(RunConfig.parse(config(photos, log)))
    assert images.class_names == ("dark", "bright")
    by_name = dict(zip(images.file_names, images.labels, strict=True))
    assert by_name["03.png"] == 0
    assert by_name["31.png"] == 1
    assert by_name["59.png"] == -1


def test_the_records_that_a_run_names_are_its_labels_whatever_is_said_later(photos: Path, log: LabelLog) -> None:
    before = load_images(RunConfig.parse(merged(config(photos, log), {"data": {"label_records": 2}})))
    log.append("tab", 3, [Label(images=("03.png",), of="bright"), Exclude(images=("04.png",))])
    after = load_images(RunConfig.parse(config(photos, log)))
    again = load_images(RunConfig.parse(merged(config(photos, log), {"data": {"label_records": 2}})))
    assert again.content_hash == before.content_hash != after.content_hash
    assert after.is_excluded is not None
    assert after.pixel_hash == before.pixel_hash


def test_what_was_held_back_is_the_test_set(photos: Path, log: LabelLog, tmp_path: Path) -> None:
    held = tuple(f"{k:02}.png" for k in (0, 1, 2, 30, 31, 59))
    log.append("tab", 3, [HoldBack(images=held)])
    run = train(config(photos, log), tmp_path / "checkpoints")
    names = load_images(RunConfig.parse(config(photos, log))).file_names
    assert {names[k] for k in run.folder.split()["test"]} == set(held) - {"59.png"}
    assert not {names[k] for k in run.folder.split()["pool"]} & set(held)


def test_without_labels_enough_the_sentence_says_so(photos: Path, tmp_path: Path) -> None:
    none = LabelLog(tmp_path / "none")
    with pytest.raises(ConfigError, match="None of the images has a label"):
        train(config(photos, none), tmp_path / "checkpoints")
    damaged = LabelLog(tmp_path / "damaged")
    damaged.append("tab", 1, [Label(images=("00.png",), of="dark")])
    (damaged.folder / "labels.jsonl").write_text("{}\n")
    with pytest.raises(FewLabError, match="Line 1 of"):
        train(config(photos, damaged), tmp_path / "checkpoints")
    assert not list((tmp_path / "checkpoints").glob("2*"))


def test_features_are_computed_once_for_all_labels_of_the_same_images(
    photos: Path, log: LabelLog, tmp_path: Path
) -> None:
    settings = config(photos, log)["data"]
    source = datasets["folder"](datasets["folder"].Params.parse(settings))
    assert is_ready(IsReady(settings)) == Readiness(False, "")
    source.prepare()
    ready, key = is_ready(IsReady(settings))
    assert ready
    assert key.startswith("folder-")
    backbone = {"name": "efficientnet_lite", "init": "pretrained"}

    def request() -> ComputeFeatures:
        return ComputeFeatures(settings, key, backbone, str(tmp_path), str(tmp_path / "progress.json"))

    with pytest.raises(DataError, match="removed from the cache"):
        compute_features(replace(request(), key="folder-gone"))
    first = compute_features(request())
    features = np.load(first.path, mmap_mode="r")
    assert features.shape == (60, 1280)
    assert np.abs(features).sum(1).min() > 0
    log.append("tab", 3, [Label(images=("55.png",), of="bright")])
    written = Path(first.path).stat().st_mtime_ns
    assert compute_features(request()) == first
    assert Path(first.path).stat().st_mtime_ns == written
    probe = train(
        merged(
            config(photos, log, method={"name": "linear_probe", "scaling": "unit"}, backbone=backbone),
            {"budget": {"steps": 1, "evaluate_every": 1}, "hardware": {"threads": 0}},
        ),
        tmp_path / "checkpoints",
    )
    assert probe.status.metrics["test/accuracy"] == 1.0
    assert len(list((tmp_path / "cache" / "features").iterdir())) == 1


def test_a_run_whose_features_take_longer_than_its_speed_is_counted_over_ends_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time of features is no training time: set back by it, the speed must not be counted over less than none."""
    monkeypatch.setenv("FEWLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("engine.training.recorder.SPEED_SECONDS", 0.0)
    monkeypatch.setattr("engine.training.recorder.STATUS_SECONDS", 0.0)
    files = {f"{of}/{k}.png": grey(base + k) for of, base in (("cat", 10), ("dog", 110)) for k in range(100)}
    config = {
        "data": {"name": "folder", "path": str(folder_of(tmp_path / "x", files)), "size": 16},
        "method": {"name": "label_spreading"},
        "backbone": {"name": "efficientnet_lite", "init": "pretrained"},
        "hardware": {"device": "cpu", "threads": 1},
    }
    run = train(RunConfig.parse(config), tmp_path / "runs")
    assert run.status.state == "finished"
    assert 0 < run.status.images_per_second < 1e8
