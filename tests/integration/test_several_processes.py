"""One run in two processes: the parameters that one process has, the commands of the first, and one life after a kill.

`torchrun` really starts two processes, twice: once for all that `together.py` does, whose end is that all of them are
killed, and once to resume what they left.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from subprocess import PIPE
from typing import Any

import numpy as np
import pytest
import torch

from engine.lab.executors.inline import resume, train
from engine.runs.folder import RunFolder
from engine.runs.store import Run, Store
from engine.training import checkpoint
from tests.contract.method_runs import WITH_STEPS
from tests.integration.command_line import engine
from tests.integration.process_helpers import ROOT
from tests.integration.together import CHANGED, IN_FLOAT32, KILLED, PAUSED, RUNS, STEPS, STOPPED, TASKS, WHOLE, settings

pytestmark = pytest.mark.slow
# What two orders of summation leave, in float32 as long as none of them has chosen another pseudo-label.
CLOSE = 1e-5
CLOSE_IN_FLOAT64 = 1e-11


TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m")


def torchrun(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*TORCHRUN, *map(str, arguments)], cwd=ROOT, text=True, capture_output=True)


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes left that did all tasks, and were killed in the last one."""
    folder = tmp_path_factory.mktemp("together")
    done = torchrun("tests.integration.together", folder, *TASKS)
    assert done.returncode == -9, done.stderr
    return folder


def found(folder: Path, name: str) -> Any:
    return json.loads((folder / name).read_text(encoding="utf-8"))


def state_of(folder: RunFolder) -> dict[str, torch.Tensor]:
    saved = checkpoint.load(folder)
    assert saved is not None
    return {f"{part}.{name}": value for part in ("method", "average") for name, value in saved[part].items()}


def largest_difference(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> float:
    assert ours.keys() == theirs.keys()
    return max(float((ours[name].double() - theirs[name].double()).abs().max()) for name in ours)


def test_every_method_that_learns_in_steps_is_the_same_divided(together: Path) -> None:
    differences = found(together, "steps.json")
    assert set(differences) == {*WITH_STEPS, *(f"{name} on digits" for name in RUNS)}
    limits = {name: CLOSE if name in IN_FLOAT32 else CLOSE_IN_FLOAT64 for name in differences}
    assert {name: value for name, value in differences.items() if not value <= limits[name]} == {}


@pytest.mark.parametrize("name", WHOLE)
def test_a_run_of_two_processes_has_the_files_and_numbers_of_a_run_of_one(
    name: str, together: Path, tmp_path: Path
) -> None:
    divided = Store(together / "checkpoints").run(found(together, "runs.json")[name])
    alone = train(settings(name), tmp_path)
    assert (divided.status.state, divided.status.step) == ("finished", STEPS)
    if name != "fixmatch":  # which chooses pseudo-labels
        assert largest_difference(state_of(divided.folder), state_of(alone.folder)) <= CLOSE
    assert divided.folder.snapshot_steps() == alone.folder.snapshot_steps()
    ours, theirs = divided.folder.metrics(), alone.folder.metrics()
    assert [row["step"] for row in ours] == [row["step"] for row in theirs]
    assert [row.keys() for row in ours] == [row.keys() for row in theirs]
    losses = [
        [row[key] for row in rows if row["step"] <= 25 for key in row if key.startswith("loss/")]
        for rows in (ours, theirs)
    ]
    assert losses[0]
    assert losses[0] == pytest.approx(losses[1], abs=CLOSE)
    begun = next(event for event in divided.folder.events() if event["event"] == "start")
    assert begun["machine"]["processes"] == 2


def test_only_the_first_process_speaks(together: Path) -> None:
    assert found(together, "printed-0.txt")["state"] == "finished"
    assert (together / "printed-1.txt").read_text(encoding="utf-8") == ""


def test_commands_are_given_to_the_first_process_and_hold_in_all(together: Path, tmp_path: Path) -> None:
    (run_id, state), of_the_other = found(together, "commands-0.json"), found(together, "commands-1.json")
    assert [run_id, state] == of_the_other == [run_id, "stopped"]
    folder = Store(together / "checkpoints").run(run_id).folder
    happened = [(event["event"], event["step"]) for event in folder.events()]
    assert happened == [
        ("start", 0),
        ("change", CHANGED),
        ("pause", PAUSED),
        ("resume", PAUSED),
        ("stopped", STOPPED),
    ]
    alone = Store(tmp_path).create(Store(together / "checkpoints").run(run_id).config)
    alone.add_event("change", CHANGED, key="method.threshold", value=0.2)
    assert resume_until(alone, STOPPED).status.step == STOPPED
    assert largest_difference(state_of(folder), state_of(alone)) <= CLOSE


def resume_until(folder: RunFolder, step: int) -> Run:
    from engine.training.commands import Command
    from engine.training.trainer import Trainer
    from tests.integration.trainer_process import At

    Trainer(folder, At(step, Command("stop"))).run()
    return Store(folder.path.parent).run(folder.id)


def test_what_cannot_be_divided_is_refused_in_one_sentence(together: Path) -> None:
    first, second = found(together, "refusals-0.json"), found(together, "refusals-1.json")
    fitted = (
        "label_propagation is fitted to all images at once, which leaves 2 processes nothing to divide: train it in one"
        " process, without torchrun."
    )
    assert [first["fitted"], second["fitted"]] == [fitted, fitted]
    compiled = (
        "hardware.compile is on, but a compiled network cannot be divided among processes: turn it off, or train in one"
        " process."
    )
    assert [first["compiled"], second["compiled"]] == [compiled, compiled]
    assert first["dropout"] == (
        "DropoutCNN draws random numbers, such as those of dropout, which several processes would draw otherwise than"
        " one: turn that off, or train in one process."
    )


def test_an_error_in_one_process_ends_all_with_its_sentence(together: Path) -> None:
    sentence = "The run failed with an unexpected MemoryError; log.txt of the run has the details."
    assert found(together, "refusals-1.json")["failed"] == "MemoryError"
    assert found(together, "refusals-0.json")["failed"] == sentence
    failed = [run for run in Store(together / "checkpoints").runs() if run.status.reason == sentence]
    assert [run.status.state for run in failed] == ["failed"]


def test_killed_and_resumed_the_bits_are_those_of_a_run_that_was_left_alone(together: Path, tmp_path: Path) -> None:
    (folder,) = (run.folder for run in Store(together / "killed").runs())
    assert folder.status().state == "running", "a killed process cannot say that it was killed"
    assert PAUSED <= folder.metrics()[-1]["step"] <= KILLED
    saved = checkpoint.load(folder)
    assert saved is not None
    assert saved["step"] >= PAUSED
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(together / "killed", elsewhere)

    done = torchrun("engine", "resume", folder.id, "--checkpoints", together / "killed", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["state"] == "finished"
    whole = Store(together / "checkpoints").run(found(together, "runs.json")["fixmatch"]).folder
    ours, theirs = state_of(folder), state_of(whole)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert folder.model_file.read_bytes() == whole.model_file.read_bytes()
    for step in whole.snapshot_steps():
        a, b = folder.snapshot(step), whole.snapshot(step)
        assert a.keys() == b.keys()
        assert all(np.array_equal(a[name], b[name]) for name in a), step

    in_one = resume(folder.id, elsewhere)
    assert in_one.status.state == "finished"
    assert (
        f"Run {folder.id} was trained in 2 processes and goes on in 1: not with the bits that it would have had."
        in in_one.folder.log_file.read_text(encoding="utf-8")
    )


def test_two_that_begin_in_one_folder_train_one_after_the_other(together: Path, tmp_path: Path) -> None:
    """Whichever waits has two processes that wait; the same settings give both the same bits."""
    config = Store(together / "checkpoints").run(found(together, "runs.json")["fixmatch"]).config
    (tmp_path / "config.json").write_text(json.dumps({**config, "name": ""}), encoding="utf-8")
    arguments = ("engine", "train", "--config", tmp_path / "config.json", "--checkpoints", tmp_path / "runs", "--json")
    both = [
        subprocess.Popen([*TORCHRUN, *map(str, arguments)], cwd=ROOT, text=True, stdout=PIPE, stderr=PIPE)
        for _ in range(2)
    ]
    said = [one.communicate(timeout=300) for one in both]
    assert [one.returncode for one in both] == [0, 0], said
    ended = [json.loads(answer.splitlines()[-1]) for answer, _ in said]
    assert [one["state"] for one in ended] == ["finished", "finished"]
    first, second = (run.folder for run in Store(tmp_path / "runs").runs())
    assert first.model_file.read_bytes() == second.model_file.read_bytes()
    at_work = sorted((run.events()[0]["time"], run.model_file.stat().st_mtime) for run in (first, second))
    assert at_work[0][1] <= at_work[1][0], "they trained side by side"


@pytest.mark.parametrize("command", ["sweep", "methods"])
def test_torchrun_is_refused_where_nothing_is_divided(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("RANK", "0"), ("WORLD_SIZE", "2"), ("MASTER_ADDR", "localhost"), ("MASTER_PORT", "1")):
        monkeypatch.setenv(name, value)
    assert engine(command, code=2).stderr.strip() == (
        f"2 processes were started together, and `{command}` takes one: start it without torchrun, with which `train`"
        " and `resume` divide a run."
    )
    monkeypatch.setenv("RANK", "1")
    assert engine(command, code=2).stderr == ""
