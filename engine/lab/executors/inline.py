"""Training in this process, for the command line, Python and tests; behind the same lock and queue as the app."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import Timeout

from engine.config.run_config import RunConfig
from engine.errors import ConfigError, FewLabError, RunError
from engine.processes.environment import process_count
from engine.processes.group import LostProcess, Processes, join
from engine.runs.folder import RESUMABLE, TAKEN_OUT, RunFolder, Status
from engine.runs.store import Run, Store
from engine.training.assemble import check
from engine.training.commands import Control
from engine.training.run_log import run_log
from engine.training.together import Order, Refused, check_several, follow
from engine.training.trainer import Trainer, forget_ended_runs, unexpected

Progress = Callable[[Status], None]


def train(
    config: RunConfig | dict[str, Any],
    checkpoints: Path | str = "checkpoints",
    progress: Progress | None = None,
    control: Control | None = None,
) -> Run:
    """Train a run to its end and return it. If another FewLab trains in this folder, the run waits in its queue and is
    followed. Of processes that `torchrun` started together, the first one does all of it; the others take part in its
    steps, whatever they are given here.

    progress: called about once a second with the run's Status. control: takes commands from other threads. Raises
    FewLabError.
    """
    if (followed := take_part()) is not None:
        return load_run(followed, checkpoints)
    with _leading() as processes:
        parsed = config if isinstance(config, RunConfig) else RunConfig.parse(config)
        store = Store(checkpoints)
        check_several(parsed, processes)
        check(parsed, store.root)
        folder = store.create(parsed.model_dump(mode="json"))
        return _train(store, folder, progress, control, processes)


def resume(
    run_id: str,
    checkpoints: Path | str = "checkpoints",
    progress: Progress | None = None,
    control: Control | None = None,
) -> Run:
    """Go on with a stopped or interrupted run, or one whose process was killed; in several processes as `train` does.
    Raises RunError if it is finished, failed or trains elsewhere.
    """
    if (followed := take_part()) is not None:
        return load_run(followed, checkpoints)
    with _leading() as processes:
        store = Store(checkpoints)
        folder = store.open(run_id)
        check_several(RunConfig.parse(folder.config()), processes)
        _requeue(store, folder)
        return _train(store, folder, progress, control, processes)


def take_part() -> str | None:
    """Of processes that were started together all but the first: take part in what that one trains, until it is over.
    Returns the id of the last run; None, at once, in the first one and in a process that was started alone.

    Raises FewLabError with the sentence of the process that failed.
    """
    processes = join()
    if processes is None or processes.leads:
        return None
    try:
        return follow(processes)
    except Refused:  # where the first process is, too, between two runs
        raise
    except BaseException as error:
        processes.fail(_sentence(error))
        raise


@contextmanager
def _leading() -> Iterator[Processes | None]:
    """This process leads those that were started with it, if there are such: however it ends, they learn of it."""
    processes = join()
    if processes is None:
        yield None
        return
    try:
        yield processes
    except BaseException as error:
        if processes.in_step or isinstance(error, LostProcess):
            processes.fail(_sentence(error))
        else:
            with suppress(LostProcess):
                processes.tell(Order.REFUSED, _sentence(error))
        raise


def _sentence(error: BaseException) -> str:
    return str(error) if isinstance(error, FewLabError) else unexpected(error)


def train_queued(
    run_id: str, checkpoints: Path | str, progress: Progress | None = None, control: Control | None = None
) -> Run:
    """Train a run that waits in the queue, or go on with one that was stopped, interrupted or cut off, to its end. If
    another FewLab trains in this folder, it is followed. Raises FewLabError.
    """
    if process_count() > 1:
        raise ConfigError("The runs of a sweep are trained in one process each: start it without torchrun.")
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


def _train(
    store: Store,
    folder: RunFolder,
    progress: Progress | None,
    control: Control | None,
    processes: Processes | None = None,
) -> Run:
    lock = store.lock()
    while folder.status().active:
        try:
            with lock.acquire(timeout=0):
                requeue_if_cut_off(store, folder)
                if folder.status().state == "queued":
                    with run_log(folder):
                        Trainer(folder, control, progress, processes=processes).run()
                    forget_ended_runs()
        except Timeout:
            if not _follow(folder, progress, control):
                break
    if processes is not None:
        processes.tell(Order.OVER, folder.id)
    return store.run(folder.id)


def _requeue(store: Store, folder: RunFolder) -> None:
    """Put a run into the queue that can go on."""
    lock = store.lock()
    try:
        with lock.acquire(timeout=0):
            requeue_if_cut_off(store, folder)
            if folder.status().state != "queued":
                store.requeue(folder.id)
    except Timeout:
        if folder.status().active:
            raise RunError(
                f"Run {folder.id} is {folder.status().state} in another FewLab: pause, resume or stop it there."
            ) from None
        store.requeue(folder.id)


def requeue_if_cut_off(store: Store, folder: RunFolder) -> None:
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
