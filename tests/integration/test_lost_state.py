"""What a full disk, missing memory and signals leave behind: a run that says what happened and can go on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from engine.config.run_config import RunConfig
from engine.errors import FewLabError, LabError
from engine.lab.executors.inline import resume, train
from engine.lab.lab import Lab
from engine.lab.messages import GetCatalog
from engine.lab.worker_client import WorkerClient
from engine.runs.folder import APP_ENDED, RunFolder
from engine.runs.store import Store
from engine.training import checkpoint
from engine.training.commands import Command
from engine.training.trainer import Trainer
from tests.integration.command_line import engine
from tests.integration.process_helpers import alive, child
from tests.integration.small_disk import fill, small_disk
from tests.integration.trainer_process import At
from tests.waiting import until

pytestmark = pytest.mark.slow
LONG = 200_000  # steps: minutes, so that a test ends it


def plain(steps: int = 20) -> dict[str, Any]:
    return {
        "method": "supervised",
        "budget": {"steps": steps, "batch_size": 8, "evaluate_every": 100_000},
        "hardware": {"device": "cpu", "threads": 1},
    }


def created(store: Store, steps: int = 20) -> RunFolder:
    return store.create(RunConfig.parse(plain(steps)).model_dump(mode="json"))


def close(lab: Lab) -> None:
    lab.close()
    assert lab.trainer.wait(60)
    assert lab.assistant.wait(60)


# a full disk


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", "24m") as path:
        yield path


def test_a_run_that_trains_while_the_disk_fills_up_goes_on_once_there_is_room(disk: Path) -> None:
    lab = Lab(disk / "checkpoints").start()
    try:
        folder = lab.submit(plain(LONG))
        until(lambda: folder.status().step > 0, "the first step")
        process = lab.trainer.pid
        fill(disk / "filler")
        until(lambda: lab.current is None, "the end of the run")
        assert folder.status().state == "running"  # as long as nothing else can be written
        asked: tuple[Callable[[], None], ...] = (
            partial(lab.command, folder.id, "stop"),
            partial(lab.resume, folder.id),
        )
        for ask in asked:
            with pytest.raises(LabError) as refused:
                ask()
            assert (
                str(refused.value)
                == f"Run {folder.id} has ended, but that could not be written (No space left on device): free some"
                " disk space, then try again."
            )
        assert lab.trainer.pid == process  # closing the log of the run has not ended it
        (disk / "filler").unlink()
        until(lambda: folder.status().state == "interrupted", "the end to be written")
        assert (
            folder.status().reason
            == "The run folder could not be written (No space left on device): free some disk space, then resume the"
            " run."
        )
        assert not [path.name for path in folder.path.rglob("*tmp*")]
        lab.resume(folder.id)
        until(lambda: folder.status().state == "running", "the run to go on")
        lab.command(folder.id, "stop")
        until(lambda: folder.status().state == "stopped", "the end")
    finally:
        close(lab)


def test_a_run_that_ended_on_a_full_disk_can_be_deleted_which_makes_room(disk: Path) -> None:
    lab = Lab(disk / "checkpoints").start()
    try:
        folder = lab.submit(plain(LONG))
        until(lambda: folder.status().step > 0, "the first step")
        fill(disk / "filler")
        until(lambda: lab.current is None, "the end of the run")
        lab.delete(folder.id)
        assert not folder.path.exists()
        assert lab.store.runs() == []
    finally:
        close(lab)


def test_a_server_that_starts_on_a_full_disk_takes_the_cut_off_run_up_once_there_is_room(disk: Path) -> None:
    store = Store(disk / "checkpoints")
    folder = created(store)
    Trainer(folder, At(10, Command("interrupt"))).run()
    folder.update_status(state="running", heartbeat=0.0)
    with store.lock():
        pass  # its file is there, as after every server
    (store.root / ".lab.log").touch()
    fill(disk / "filler")
    lab = Lab(store.root).start()
    try:
        until(lambda: lab.trains, "the lock")
        time.sleep(2.5)
        assert folder.status().state == "running"
        (disk / "filler").unlink()
        until(lambda: folder.status().state == "finished", "the run to go on to its end")
    finally:
        close(lab)


@pytest.mark.parametrize("where", ["full", "read-only", "a file", "below a file"])
def test_a_checkpoints_folder_that_cannot_be_written_is_one_sentence_and_leaves_no_run(
    tmp_path: Path, where: str
) -> None:
    with small_disk(tmp_path / "disk", "64k") as disk:
        root = disk / "checkpoints"
        if where == "full":
            root.mkdir()
            fill(disk / "filler")
        elif where == "read-only":
            subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        else:
            root.write_text("a file")
            root = root if where == "a file" else root / "runs"
        settings = ("--set", "method.name=supervised", "--set", "budget.steps=5")
        done = engine("train", *settings, "--checkpoints", root, code=2)
        (sentence,) = done.stderr.splitlines()
        assert sentence.startswith(f"No run can be written to {root} (")
        assert sentence.endswith("that has room, or free some disk space.")
        assert Store(root).runs() == []
        assert Store(root).unreadable() == []
        assert not root.is_dir() or not [path for path in root.iterdir() if path.name != ".lock"]


# memory


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:119] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to"
            " allocate 400000000000000 bytes. Error code 12 (Cannot allocate memory)"
        ),
        RuntimeError("[enforce fail at alloc_cpu.cpp:114] data. DefaultCPUAllocator: not enough memory: you tried"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        OSError(12, "Cannot allocate memory"),
        MemoryError(),
    ],
    ids=["Linux", "Windows", "cuBLAS", "the system", "Python"],
)
def test_a_run_without_memory_is_resumable_however_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    folder = created(Store(tmp_path))
    Trainer(folder, At(10, Command("interrupt"))).run()

    def refused(self: Trainer) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_step_once", refused)
        with pytest.raises(FewLabError, match=r"^There was not enough memory for this run: "):
            resume(folder.id, tmp_path)
    assert folder.status().state == "interrupted"
    assert resume(folder.id, tmp_path).status.state == "finished"


def test_torch_itself_says_it_so(tmp_path: Path) -> None:
    import torch

    from engine.errors import is_out_of_memory

    with pytest.raises(RuntimeError) as refused:
        torch.zeros(2**50)
    assert is_out_of_memory(refused.value)
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


def test_the_command_line_writes_the_details_of_an_unexpected_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Trainer) -> None:
        raise ZeroDivisionError("a stray number")

    monkeypatch.setattr(Trainer, "_step_once", broken)
    with pytest.raises(ZeroDivisionError):
        train(plain(), tmp_path)
    (run,) = Store(tmp_path).runs()
    assert run.status.reason == (
        "The run failed with an unexpected ZeroDivisionError; log.txt of the run has the details."
    )
    assert "ZeroDivisionError: a stray number" in run.folder.log_file.read_text()


# signals


def started(
    root: Path, *settings: str, ignored: signal.Signals | None = None
) -> AbstractContextManager[subprocess.Popen[Any]]:
    arguments = [
        *("--set", "method.name=supervised", "--set", f"budget.steps={LONG}", "--set", "budget.batch_size=8"),
        *("--set", "budget.evaluate_every=100000", "--set", "hardware.threads=1", *settings),
    ]
    return child(
        *(sys.executable, "-m", "engine", "train", *arguments, "--checkpoints", str(root), "--json"),
        ignored=ignored,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_that_ends_a_run_leaves_a_checkpoint_to_go_on_from(tmp_path: Path, name: str) -> None:
    with started(tmp_path) as process:
        until(lambda: any(run.status.step > 0 for run in Store(tmp_path).runs()) or process.poll(), "the first step")
        process.send_signal(getattr(signal, name))
        stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stderr
    summary = json.loads(stdout)
    assert (summary["state"], stderr) == ("interrupted", "")
    saved = checkpoint.load(Store(tmp_path).open(summary["run"]))
    assert saved is not None
    assert saved["step"] == summary["step"] > 0


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGHUP")
def test_a_signal_that_nohup_has_ignored_stays_ignored(tmp_path: Path) -> None:
    with started(tmp_path, ignored=signal.SIGHUP) as process:
        until(lambda: any(run.status.step > 0 for run in Store(tmp_path).runs()) or process.poll(), "the first step")
        (run,) = Store(tmp_path).runs()
        process.send_signal(signal.SIGHUP)
        step = run.folder.status().step
        until(lambda: run.folder.status().step > step, "a further step")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM that can be caught")
def test_a_run_that_waits_says_so_once_and_leaves_the_queue_when_it_is_told_to_end(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.lock().acquire(timeout=0), started(tmp_path) as process:
        until(lambda: store.queue() or process.poll(), "the run in the queue")
        time.sleep(3)
        process.send_signal(signal.SIGTERM)
        stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 0
    assert json.loads(stdout)["state"] == "stopped"
    assert stderr.splitlines() == [
        "Another FewLab trains in this checkpoints folder: this run waits in its queue. Ctrl-C takes it out.",
        "It was taken out of the queue.",
    ]
    assert store.queue() == []


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM that can be caught")
def test_a_training_process_that_is_told_to_end_writes_a_checkpoint(tmp_path: Path) -> None:
    lab = Lab(tmp_path).start()
    try:
        folder = lab.submit(plain(LONG))
        until(lambda: folder.status().step > 0, "the first step")
        process = lab.trainer.pid
        assert process is not None
        os.kill(process, signal.SIGTERM)
        until(lambda: not alive(process), "the end of the process")
        assert (folder.status().state, folder.status().reason) == ("interrupted", APP_ENDED)
        saved = checkpoint.load(folder)
        assert saved is not None
        assert saved["step"] == folder.status().step
        assert "Fatal Python error" not in (tmp_path / ".lab.log").read_text()
    finally:
        close(lab)


# a server that was killed


def test_a_run_that_was_cut_off_keeps_its_place_before_all_that_wait(tmp_path: Path) -> None:
    store = Store(tmp_path)
    cut, waiting = created(store), created(store)
    Trainer(cut, At(10, Command("interrupt"))).run()
    cut.update_status(state="running", heartbeat=0.0)
    lab = Lab(tmp_path)
    lab._recover()
    assert [run.id for run in store.queue()] == [cut.id, waiting.id]
    assert cut.status().reason == "FewLab was restarted and goes on with this run."


def test_what_a_killed_run_left_half_written_is_cleared_away_when_it_goes_on(tmp_path: Path) -> None:
    folder = created(Store(tmp_path))
    Trainer(folder, At(10, Command("interrupt"))).run()
    folder.snapshots.mkdir(exist_ok=True)
    left = [
        folder.path / ".checkpoint.pt.77.1234.tmp",
        folder.path / ".model.safetensors.77.1234.tmp",
        folder.path / ".status.json.77.1234.tmp",
        folder.snapshots / "00000010.tmp.npz",
    ]
    for path in left:
        path.write_bytes(b"half")
    os.utime(left[2], (time.time() - 3600,) * 2)
    written_now = folder.path / ".status.json.78.1234.tmp"
    written_now.write_bytes(b"half")
    resume(folder.id, tmp_path)
    assert [path for path in [*left, written_now] if path.exists()] == [written_now]


# a question that does not return


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGSTOP")
def test_a_question_without_an_answer_is_given_up_and_the_next_one_is_answered(tmp_path: Path) -> None:
    assistant = WorkerClient(tmp_path / "log")
    try:
        assistant.ask(GetCatalog())
        process = assistant.pid
        assert process is not None
        os.kill(process, signal.SIGSTOP)  # stands for whatever does not return
        with pytest.raises(LabError) as refused:
            assistant.ask(GetCatalog(), timeout=1.0)
        assert (
            str(refused.value)
            == "The engine did not answer within 1 s and was started again: check the paths in the settings, then try"
            " again."
        )
        assert not alive(process)
        assert assistant.ask(GetCatalog())["methods"]
    finally:
        assistant.close()
        assert assistant.wait(60)


def test_an_engine_that_still_starts_is_not_ended_for_it(tmp_path: Path) -> None:
    assistant = WorkerClient(tmp_path / "log")
    try:
        assistant.start()
        process = assistant.pid
        with pytest.raises(LabError, match=r"within 0 s: it may still be starting; try again in a moment\.$"):
            assistant.ask(GetCatalog(), timeout=0.01)
        assert assistant.ask(GetCatalog())["methods"]
        assert assistant.pid == process
    finally:
        assistant.close()
        assert assistant.wait(60)
