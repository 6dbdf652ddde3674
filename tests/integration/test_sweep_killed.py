"""A sweep that was killed, whenever, goes on: every trial is there once, with the settings and the accuracy that it
would have had, and the run that trained goes on from its checkpoint.

The processes are real and are killed for real (SIGKILL, which nobody can catch).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.errors import RunError
from engine.runs.store import Store
from engine.tuning.study import Study
from engine.tuning.sweep_folder import SweepFolder, SweepStore
from tests.integration.sweeps import LR, TOY, drive, plan, start
from tests.waiting import until

pytestmark = pytest.mark.usefixtures("toy")

CONFIG = {**TOY, "budget": {"steps": 50, "batch_size": 4, "evaluate_every": 10}}


def created(root: Path, **more: Any) -> SweepFolder:
    return SweepStore(root).create(plan(CONFIG, LR, **more))


def killed(sweep: SweepFolder, checkpoints: Path, when: Callable[[], bool]) -> None:
    child = start(checkpoints, sweep.name)
    try:
        until(lambda: when() or not child.is_alive(), "the moment to kill", every=0.002)
        assert child.is_alive(), "the process ended before it could be killed"
    finally:
        child.kill()
        child.join()


def reached(root: Path, trial: int) -> bool:
    """Whether the run of this trial has a checkpoint and part of a curve."""
    runs = [run for run in Store(root).runs() if run.name == f"small, trial {trial}"]
    return any(run.folder.checkpoint_file.exists() and len(run.folder.metrics()) > 2 for run in runs)


@pytest.mark.slow
def test_a_sweep_killed_twice_has_every_trial_once_as_if_nothing_had_happened(tmp_path: Path) -> None:
    whole = created(tmp_path / "whole", trials=4)
    undisturbed = drive(whole, tmp_path / "whole")
    root = tmp_path / "killed"
    sweep = created(root, trials=4)
    for trial in (1, 2):
        killed(sweep, root, lambda trial=trial: reached(root, trial))  # type: ignore[misc]
    status = drive(sweep, root)
    assert [(t.number, t.state, t.values, t.accuracy) for t in status.trials] == [
        (t.number, t.state, t.values, t.accuracy) for t in undisturbed.trials
    ]
    runs = {run.id: run for run in Store(root).runs()}
    assert sorted(draw.run for trial in status.trials for draw in trial.draws) == sorted(runs)
    assert [run.status.state for run in runs.values()] == ["finished"] * 4
    for trial in (1, 2):
        kinds = [event["event"] for event in runs[status.trials[trial].draws[0].run].folder.events()]
        assert "continue" in kinds, kinds  # from its checkpoint, not from the start


@pytest.mark.parametrize("kept", [0.0, 0.4])
def test_a_trial_cut_off_while_its_settings_were_drawn_gets_those_it_lacks(tmp_path: Path, kept: float) -> None:
    """Every line of the journal may be the last one that was written; here part of the next one was, too."""
    sweep = created(tmp_path, trials=2)
    asked = sweep.plan()
    first = Study(sweep, asked).ask()
    lines = sweep.journal_file.read_bytes().splitlines(keepends=True)
    begun = next(i for i, line in enumerate(lines) if b'"op_code":6' in line)  # it runs
    for end in range(begun + 1, len(lines)):
        torn = lines[end][: int(kept * len(lines[end]))]
        sweep.journal_file.write_bytes(b"".join(lines[:end]) + torn)
        trial = Study(sweep, asked).ask()
        assert (trial.number, trial.values) == (first.number, first.values)
        assert [one.number for one in Study(sweep, asked).trials()] == [0]
        assert all(json.loads(line) for line in sweep.journal_file.read_bytes().splitlines())


def test_a_run_that_was_begun_but_not_written_down_is_the_trials_run(tmp_path: Path) -> None:
    sweep = created(tmp_path, trials=1)
    asked = sweep.plan()
    trial = Study(sweep, asked).ask()
    config = asked.run_config("small, trial 0", trial.values, asked.draws()[0])
    begun = Store(tmp_path).create(config)  # and there it was killed
    (ended,) = drive(sweep, tmp_path).trials
    assert [draw.run for draw in ended.draws] == [begun.id] == [run.id for run in Store(tmp_path).runs()]


def test_the_lock_of_a_killed_process_keeps_nobody_waiting(tmp_path: Path) -> None:
    sweep = created(tmp_path, trials=1)
    Study(sweep, sweep.plan())
    sweep.journal_file.with_name("journal.log.lock").touch()
    began = time.monotonic()
    Study(sweep, sweep.plan()).ask()
    assert time.monotonic() - began < 5  # Optuna alone would wait for half a minute


def test_a_damaged_journal_is_one_sentence(tmp_path: Path) -> None:
    sweep = created(tmp_path, trials=1)
    Study(sweep, sweep.plan()).ask()
    lines = sweep.journal_file.read_bytes().splitlines(keepends=True)
    sweep.journal_file.write_bytes(b"".join([lines[0], b"{broken\n", *lines[1:]]))
    with pytest.raises(RunError, match=r"^journal\.log of the sweep small is damaged"):
        Study(sweep, sweep.plan())
