"""A run that was killed, however often and whenever, ends with the same bits as one that was left alone.

The training processes are real and are killed for real (SIGKILL, which nobody can catch); the undisturbed run has a
process of its own. Compared are every logged number but seconds, every array of every snapshot, and the model file byte
by byte.
"""

from __future__ import annotations

import json
import random
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.config.run_config import RunConfig
from engine.lab.executors.inline import resume
from engine.runs.folder import RunFolder
from engine.runs.store import Store
from engine.training import checkpoint
from engine.training.commands import Command, Control
from engine.training.trainer import Trainer
from tests.integration.trainer_process import At, start
from tests.waiting import until

STEPS = 60
CONFIG = RunConfig.parse(
    {"budget": {"steps": STEPS, "batch_size": 8, "evaluate_every": 10}, "hardware": {"device": "cpu", "threads": 1}}
).model_dump(mode="json")
CHANGE = ("12", "method.threshold", "0.3")
NEVER = 1e9  # seconds between checkpoints


def killed(folder: RunFolder, seconds: float, step: int, pause: float = 0.0, change: tuple[str, ...] = ()) -> int:
    """Train in a process and kill it `pause` seconds after its curve has reached `step`. Returns how far the curve
    came.
    """
    child = start(folder, seconds, *change)
    try:
        until(lambda: reached(folder) >= step or not child.is_alive(), f"step {step}")
        assert child.is_alive(), "the process ended before it could be killed"
        time.sleep(pause)
    finally:
        child.kill()
        child.join()
    assert child.exitcode != 0
    assert folder.status().state == "running", "a killed process cannot say that it was killed"
    return reached(folder)


def reached(folder: RunFolder) -> int:
    rows = folder.metrics()
    return int(rows[-1]["step"]) if rows else 0


def finish(folder: RunFolder) -> RunFolder:
    """Go on to the end in this process."""
    run = resume(folder.id, folder.path.parent)
    assert (run.status.state, run.status.step) == ("finished", STEPS)
    return folder


def assert_same_run(ours: RunFolder, theirs: RunFolder) -> None:
    def numbers(folder: RunFolder) -> list[dict[str, Any]]:
        return [{name: value for name, value in row.items() if name != "seconds"} for row in folder.metrics()]

    assert numbers(ours) == numbers(theirs)
    assert ours.snapshot_steps() == theirs.snapshot_steps() == list(range(10, STEPS + 1, 10))
    for step in ours.snapshot_steps():
        a, b = ours.snapshot(step), theirs.snapshot(step)
        assert a.keys() == b.keys(), step
        for name in a:
            assert np.array_equal(a[name], b[name]), (step, name)
    assert ours.model_file.read_bytes() == theirs.model_file.read_bytes()
    assert ours.status().metrics == theirs.status().metrics


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("killed") / "checkpoints"


@pytest.fixture
def folder(root: Path) -> RunFolder:
    return Store(root).create(CONFIG)


def undisturbed(root: Path, *change: str) -> RunFolder:
    folder = Store(root).create(CONFIG)
    child = start(folder, NEVER, *change)
    child.join()
    assert child.exitcode == 0
    return folder


@pytest.fixture(scope="module")
def whole(root: Path) -> RunFolder:
    return undisturbed(root)


@pytest.mark.slow
def test_killed_three_times_with_a_checkpoint_after_every_step(whole: RunFolder, folder: RunFolder) -> None:
    chance = random.Random(20)
    for earliest in (5, 20, 40):  # nearly all of this process's time goes into writing checkpoints: there it is killed
        killed(folder, 0.0, earliest, chance.uniform(0, 0.1))
    assert_same_run(finish(folder), whole)


@pytest.mark.slow
def test_killed_twice_between_checkpoints_repeats_the_lost_steps(whole: RunFolder, folder: RunFolder) -> None:
    chance = random.Random(21)
    for earliest in (15, 35):
        killed(folder, 0.2, earliest, chance.uniform(0, 0.1))
    assert_same_run(finish(folder), whole)


@pytest.mark.slow
def test_killed_before_the_first_checkpoint_starts_over(whole: RunFolder, folder: RunFolder) -> None:
    killed(folder, NEVER, 25)
    assert not folder.checkpoint_file.exists()
    assert_same_run(finish(folder), whole)


@pytest.mark.slow
def test_killed_after_a_live_change_repeats_the_change(root: Path, whole: RunFolder, folder: RunFolder) -> None:
    killed(folder, NEVER, 20, change=CHANGE)  # the change at step 12 is in no checkpoint, only in the events
    assert [(e["step"], e["key"], e["value"]) for e in folder.events() if e["event"] == "change"] == [
        (12, "method.threshold", 0.3)
    ]
    changed = undisturbed(root, *CHANGE)
    assert_same_run(finish(folder), changed)
    assert folder.model_file.read_bytes() != whole.model_file.read_bytes()


def test_a_torn_checkpoint_beside_a_whole_one_costs_only_the_steps_between(whole: RunFolder, folder: RunFolder) -> None:
    for step in (20, 10):  # interrupted at step 20 and, ten steps later, at step 30: two generations
        Trainer(folder, At(step, Command("interrupt")), checkpoint_seconds=NEVER).run()
    torn = folder.checkpoint_file.read_bytes()
    folder.checkpoint_file.write_bytes(torn[: len(torn) // 2])
    saved = checkpoint.load(folder)
    assert saved is not None
    assert saved["step"] == 20
    assert_same_run(finish(folder), whole)


def test_a_half_written_temporary_file_disturbs_nobody(whole: RunFolder, folder: RunFolder) -> None:
    Trainer(folder, At(30, Command("interrupt")), checkpoint_seconds=NEVER).run()
    (folder.path / ".checkpoint.pt.1.2.tmp").write_bytes(b"PK\x03\x04 half")
    with open(folder.metrics_file, "ab") as file:
        file.write(b'{"step": 35, "loss/lab')
    assert_same_run(finish(folder), whole)


def test_killed_after_the_last_step_evaluates_and_saves_as_if_nothing_had_happened(
    whole: RunFolder, root: Path
) -> None:
    folder = RunFolder(root / f"{whole.id[:-4]}ffff")
    shutil.copytree(whole.path, folder.path)
    folder.model_file.unlink()
    (folder.snapshots / f"{STEPS:08d}.npz").unlink()
    lines = folder.metrics_file.read_text(encoding="utf-8").splitlines(keepends=True)
    assert "test/auc_roc" in json.loads(lines[-1])
    folder.metrics_file.write_text("".join(lines[:-1]), encoding="utf-8")
    folder.update_status(state="running", metrics={})
    assert_same_run(finish(folder), whole)


def test_changes_made_out_of_order_after_a_kill_are_replayed_by_step(root: Path) -> None:
    """A change at step 20 was lost in a kill; before it came again, the person changed the same thing at step 15."""
    ends = []
    for interruption in (None, 25):
        folder = Store(root).create(CONFIG)
        folder.add_event("change", 20, key="method.threshold", value=0.9)
        folder.add_event("change", 15, key="method.threshold", value=0.2)
        if interruption is None:
            Trainer(folder).run()
        else:
            Trainer(folder, At(interruption, Command("interrupt"))).run()
            finish(folder)
        ends.append(folder)
    assert_same_run(*ends)


def test_a_stopped_run_keeps_its_model_and_goes_on_to_the_same_end(whole: RunFolder, folder: RunFolder) -> None:
    Trainer(folder, At(33, Command("stop"))).run()
    assert folder.status().state == "stopped"
    assert folder.model_file.exists()
    assert set(folder.status().metrics) == set(whole.status().metrics)
    finish(folder)
    assert folder.model_file.read_bytes() == whole.model_file.read_bytes()
    for step in whole.snapshot_steps():
        assert all(
            np.array_equal(array, folder.snapshot(step)[name]) for name, array in whole.snapshot(step).items()
        ), step


def test_stopping_right_after_resuming_leaves_what_stopping_at_once_would_have_left(
    folder: RunFolder, root: Path
) -> None:
    Trainer(folder, At(33, Command("stop"))).run()
    other = Store(root).create(CONFIG)
    Trainer(other, At(33, Command("interrupt"))).run()
    control = Control()
    control.send(Command("stop"))
    assert resume(other.id, root, control=control).status.state == "stopped"
    assert other.model_file.read_bytes() == folder.model_file.read_bytes()
    a, b = folder.snapshot(33), other.snapshot(33)
    assert a.keys() == b.keys()
    assert all(np.array_equal(a[name], b[name]) for name in a)
