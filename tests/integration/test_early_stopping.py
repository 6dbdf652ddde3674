"""Runs that end before their last step: where, why, and at the same bits however often they were interrupted."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.config.run_config import RunConfig
from engine.errors import ConfigError
from engine.lab.executors.inline import resume, train
from engine.runs.folder import RunFolder
from engine.runs.store import Run, Store
from engine.training import checkpoint
from engine.training.commands import Command
from engine.training.trainer import Trainer
from tests.integration.trainer_process import At

pytestmark = pytest.mark.usefixtures("toy")

EVERY, PATIENCE = 5, 2
CONFIG: dict[str, Any] = {
    "method": {"name": "supervised"},
    "data": {"name": "toy", "per_class": 20, "labels": {"kind": "few", "per_class": 2}},
    "budget": {"steps": 200, "batch_size": 4, "evaluate_every": EVERY},
    "hardware": {"device": "cpu", "threads": 1},
}


def config(**training: Any) -> RunConfig:
    return RunConfig.parse({**CONFIG, "training": training})


def validation(folder: RunFolder) -> dict[int, float]:
    return {row["step"]: row["validation/accuracy"] for row in folder.metrics() if "validation/accuracy" in row}


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(config(patience=PATIENCE), tmp_path_factory.mktemp("patient"))


def test_a_run_ends_where_its_validation_accuracy_has_not_improved_for_so_many_evaluations(ended: Run) -> None:
    curve = validation(ended.folder)
    values, steps = list(curve.values()), list(curve)
    assert steps == list(range(EVERY, ended.status.step + 1, EVERY))
    best = int(np.argmax(values))  # the first of the best
    assert ended.status.step == steps[best + PATIENCE] < 200
    assert ended.status.state == "finished"
    assert ended.status.reason.startswith(
        f"It ended at step {ended.status.step} of 200: {PATIENCE} evaluations without"
    )
    (end,) = [event for event in ended.folder.events() if event["event"] == "finished"]
    assert (end["step"], end["reason"]) == (ended.status.step, ended.status.reason)
    assert ended.folder.model_file.exists()


@pytest.mark.parametrize("back", [1, EVERY - 1, EVERY + 2])
def test_a_run_interrupted_before_its_early_end_ends_at_the_same_bits(ended: Run, back: int, tmp_path: Path) -> None:
    folder = Store(tmp_path).create(ended.config)
    Trainer(folder, At(ended.status.step - back, Command("interrupt"))).run()
    assert folder.status().state == "interrupted"
    run = resume(folder.id, tmp_path)
    assert (run.status.state, run.status.step, run.status.reason) == (
        "finished",
        ended.status.step,
        ended.status.reason,
    )
    assert run.folder.model_file.read_bytes() == ended.folder.model_file.read_bytes()
    assert validation(run.folder) == validation(ended.folder)


def test_a_run_killed_at_its_early_end_takes_no_further_step(ended: Run, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / ended.id)
    shutil.copytree(ended.folder.path, folder.path)
    folder.model_file.unlink()
    folder.update_status(state="running", metrics={}, heartbeat=0.0)
    run = resume(folder.id, tmp_path)
    assert (run.status.step, run.status.reason) == (ended.status.step, ended.status.reason)
    assert folder.model_file.read_bytes() == ended.folder.model_file.read_bytes()


def test_minutes_of_training_end_a_run_with_a_model(tmp_path: Path) -> None:
    run = train(config(minutes=0.001).with_changes({"budget.steps": 100_000}), tmp_path)
    assert run.status.state == "finished"
    assert 0 < run.status.step < 100_000
    assert run.status.reason == (
        f"It ended at step {run.status.step:,} of 100,000: its 0.001 minutes of training are used up"
        " (training.minutes)."
    )
    assert run.status.metrics["test/accuracy"] >= 0
    assert run.folder.model_file.exists()


def test_the_minutes_of_an_earlier_life_count(tmp_path: Path) -> None:
    folder = Store(tmp_path).create(config(minutes=2).with_changes({"budget.steps": 100_000}).model_dump(mode="json"))
    Trainer(folder, At(40, Command("interrupt"))).run()
    checkpoint.save(folder, {**(checkpoint.load(folder) or {}), "seconds": 119.8})  # as if it had taken so long
    run = resume(folder.id, tmp_path)
    assert run.status.reason.endswith("its 2 minutes of training are used up (training.minutes).")
    assert 120 <= run.status.seconds < 125


def test_patience_without_validation_images_is_refused_before_a_run_is_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^training\.patience goes by validation accuracy, and no labeled image"):
        train(config(patience=3).with_changes({"data.validation": 0}), tmp_path)
    with pytest.raises(ConfigError, match="learns without labels: choose a method that learns from some"):
        train(
            {**CONFIG, "method": {"name": "rotation"}, "data": {"name": "toy"}, "training": {"patience": 3}}, tmp_path
        )
    assert Store(tmp_path).runs() == []
