"""Training in this process, for the command line, Python and tests; behind the same lock and queue as the app."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from filelock import Timeout

from engine.config.run_config import RunConfig
from engine.errors import FewLabError, RunError
from engine.runs.folder import RESUMABLE, TAKEN_OUT, RunFolder, Status
from engine.runs.store import Run, Store
from engine.training.assemble import check
from engine.training.commands import Control
from engine.training.run_log import run_log
from engine.training.trainer import Trainer, forget_ended_runs

Progress = Callable[[Status], None]


def train(
    config: RunConfig | dict[str, Any],
    checkpoints: Path | str = "checkpoints",
    progress: Progress | None = None,
    control: Control | None = None,
) -> Run:
    """Train a run to its end and return it. If another FewLab trains in this folder, the run waits in its queue and is
    followed.

    progress: called about once a second with the run's Status. control: takes commands from other threads. Raises
    FewLabError.
    """
    parsed = config if isinstance(config, RunConfig) else RunConfig.parse(config)
    store = Store(checkpoints)
    check(parsed, store.root)
    return _train(store, store.create(parsed.model_dump(mode="json")), progress, control)


def resume(
    run_id: str,
    checkpoints: Path | str = "checkpoints",
    progress: Progress | None = None,
    control: Control | None = None,
) -> Run:
    """Go on with a stopped or interrupted run, or one whose process was killed. Raises RunError if it is finished,
    failed or trains elsewhere.
    """
    store = Store(checkpoints)
    folder = store.open(run_id)
    lock = store.lock()
    try:
        with lock.acquire(timeout=0):
            _requeue_if_cut_off(store, folder)
            if folder.status().state != "queued":
                store.requeue(run_id)
    except Timeout:
        if folder.status().active:
            raise RunError(
                f"Run {run_id} is {folder.status().state} in another FewLab: pause, resume or stop it there."
            ) from None
        store.requeue(run_id)
    return _train(store, folder, progress, control)


def train_queued(
    run_id: str, checkpoints: Path | str, progress: Progress | None = None, control: Control | None = None
) -> Run:
    """Train a run that waits in the queue, or go on with one that was stopped, interrupted or cut off, to its end. If
    another FewLab trains in this folder, it is followed. Raises FewLabError.
    """
    store = Store(checkpoints)
    folder = store.open(run_id)
    if folder.status().state in RESUMABLE:
        store.requeue(run_id)
    return _train(store, folder, progress, control)


def load_run(run_id: str, checkpoints: Path | str = "checkpoints") -> Run:
    """A run's config, status and folder (`run.folder.metrics()`, `.snapshot(step)`, ...). Raises UnknownName or
    RunError.
    """
    return Store(checkpoints).run(run_id)


def _train(store: Store, folder: RunFolder, progress: Progress | None, control: Control | None) -> Run:
    lock = store.lock()
    while folder.status().active:
        try:
            with lock.acquire(timeout=0):
                _requeue_if_cut_off(store, folder)
                if folder.status().state == "queued":
                    with run_log(folder):
                        Trainer(folder, control, progress).run()
                    forget_ended_runs()
        except Timeout:
            if not _follow(folder, progress, control):
                break
    return store.run(folder.id)


def _requeue_if_cut_off(store: Store, folder: RunFolder) -> None:
    """With the lock held nobody trains: a run that still says so lost its process."""
    if folder.status_when_quiet().state in ("running", "paused"):
        folder.update_status(state="interrupted", reason="Its process ended while it trained.")
        store.requeue(folder.id)


def _follow(folder: RunFolder, progress: Progress | None, control: Control | None) -> bool:
    """Watch a run that another process has in its queue, for a while: that process may end and leave it to this one.

    Returns whether to go on: told to stop, a run that still waits leaves the queue, and one that another process trains
    is watched no longer.
    """
    control = control or Control()
    for _ in range(4):
        status = folder.status()
        if progress:
            progress(status)
        if not status.active:
            break
        command = control.wait(0.5)
        if command is not None and command.kind in ("stop", "interrupt"):
            if folder.status().state == "queued":
                folder.update_status(state="stopped", reason=TAKEN_OUT)
            return False
    if status.state == "failed":
        raise FewLabError(status.reason)
    return True
