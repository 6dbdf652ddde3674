"""Runs that another FewLab trains, on this machine or on others, such as a sweep on a cluster."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from engine.catalog import catalog
from engine.lab.lab import Lab
from engine.runs.folder import RunFolder, Status
from engine.runs.store import Store
from engine.tuning.dimension import Dimension
from engine.tuning.sweep_folder import DrawResult, SweepStatus, SweepStore, Trial
from engine.tuning.sweep_plan import SweepPlan
from tests.app.app_helpers import Open, put_beside, words
from tests.waiting import PATIENCE

NO_PROCESS_HERE = 2**22 + 1  # above the largest process id of Linux
LR = "optimizer.lr"


@pytest.fixture(scope="module", autouse=True)
def other_fewlab(checkpoints: Path) -> Iterator[None]:
    """It drives a sweep and holds the lock, before this one is opened."""
    with Store(checkpoints).lock():
        yield


@pytest.fixture(scope="module")
def training(other_fewlab: None, lab: Lab) -> list[RunFolder]:
    """Two runs of its sweep, which train on other machines. Their heartbeats lie ahead: a slow page comes in time."""
    config = catalog()["presets"]["digits-fixmatch"]["config"]
    plan = SweepPlan("mine", config, "digits-fixmatch", (Dimension(LR, 0.01, 1.0),), created=1.0)
    status = Status("running", 100, 600, 5.0, pid=NO_PROCESS_HERE, heartbeat=time.time() + PATIENCE)
    values = [{LR: 0.1}, {LR: 0.2}]
    runs = [
        put_beside(lab, plan.run_config(f"mine, trial {i}", values[i], 1000), replace(status, step=100 + i))
        for i in range(2)
    ]
    trials = tuple(Trial(i, "running", values[i], 0.5 + 0.1 * i, (DrawResult(1000, runs[i].id),)) for i in range(2))
    sweep = SweepStore(lab.store.root).create(plan)
    sweep.write_status(SweepStatus("running", seconds=10.0, heartbeat=time.time() + PATIENCE, trials=trials))
    return runs


def test_each_of_them_is_shown_as_it_trains(training: list[RunFolder], open_page: Open) -> None:
    lines = [element.value for element in open_page("runs").markdown if "running, step" in element.value]
    assert sorted(line.replace("\\", "").split(" · ")[-1] for line in lines) == [
        "running, step 100 of 600",
        "running, step 101 of 600",
    ]
    training[1].update_status(heartbeat=time.time() + PATIENCE)
    app = open_page("train", run=training[1].id)
    assert any("step 101 of 600" in bar.proto.text for bar in app.get("progress"))
    assert not app.warning
    # Only who trains a run can stop it.
    assert not [button for button in app.button if button.key in ("train_pause", "train_stop", "train_resume")]
    assert training[1].status().state == "running"


def test_one_without_a_heartbeat_is_said_to_be_perhaps_dead_and_is_not_touched(
    training: list[RunFolder], open_page: Open
) -> None:
    alive = training[0].status()
    training[0].write_status(replace(alive, heartbeat=time.time() - 60))
    assert "No heartbeat for 30 s: the training process may have died." in words(open_page("train", run=training[0].id))
    assert training[0].status().state == "running"
    training[0].write_status(alive)


@pytest.mark.usefixtures("training")
def test_a_sweep_shows_all_trials_that_train(lab: Lab, open_page: Open) -> None:
    sweep = SweepStore(lab.store.root).open("mine")
    sweep.write_status(replace(sweep.status(), heartbeat=time.time() + PATIENCE))
    texts = [bar.proto.text for bar in open_page("tune", sweep="mine").get("progress")]
    assert any(text.endswith("trial 0 at 50.0 %, trial 1 at 60.0 %") for text in texts), texts


def test_the_sidebar_names_one_and_counts_the_others(training: list[RunFolder]) -> None:
    def sidebar() -> None:
        from ui.runs.training_now import training_now

        training_now()

    for run in training:
        run.update_status(heartbeat=time.time() + PATIENCE)
    shown = AppTest.from_function(sidebar).run(timeout=PATIENCE)
    assert not shown.exception
    assert [button.key for button in shown.sidebar.button] == ["training_now_open", "training_now_more"]
    assert shown.sidebar.button[1].label == "and 1 more"
