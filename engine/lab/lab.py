"""Lab: the queue and the worker thread of a server. It imports no torch; processes of its own do what needs it."""

from __future__ import annotations

import atexit
import logging
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from filelock import Timeout

from engine.errors import FewLabError, LabError, RunError
from engine.lab.messages import CheckConfig
from engine.lab.worker_client import Message, WorkerClient
from engine.runs.folder import APP_ENDED, PAUSED_APP_ENDED, TAKEN_OUT, RunFolder
from engine.runs.store import Run, Store

log = logging.getLogger("fewlab.lab")
Action = Literal["pause", "resume", "stop"]
NOT_DELETED = (
    "Runs are not deleted here, because others reach this server too: whoever runs it can remove the run's folder."
)


class Lab:
    """Trains queued runs one after another, in a warm process, while it holds the lock on the checkpoints folder.

    Without the lock, because another FewLab trains there, it only adds to the queue and watches, and takes over when
    the lock is free. `trainer` trains; `assistant` answers what needs torch (catalog, checks, predictions) while
    training goes on.
    """

    def __init__(self, checkpoints: Path | str, may_delete: bool = True) -> None:
        """may_delete: whether runs can be deleted here; not where others than the owner of the machine come."""
        self.may_delete = may_delete
        self.times_as_long: float | None = None
        """How many times as long as the presets say a run takes here: measured soon after the start, None before."""
        self.store = Store(Path(checkpoints).resolve())
        log_file = self.store.root / ".lab.log"
        self.trainer = WorkerClient(log_file, self._on_trainer, yields=True)
        self.assistant = WorkerClient(log_file)
        self._lock = self.store.lock()
        self._wake = threading.Event()
        self._ended = threading.Event()
        self._closing = False
        self._lived = False
        # Held while a run passes from the queue to the process: a stop, a move or a deletion comes before that or after
        # it, never between.
        self._handing_over = threading.RLock()
        self._current: RunFolder | None = None
        self._trained_by = 0  # process id of the child that got the current run
        self._gone: set[int] = set()  # children that have died
        self._reason = ""  # why the current run ended, as its process said
        # Runs that have ended, with why, whose folders still say that they train: there was no room to write it.
        self._unwritten: dict[str, str] = {}
        self._thread = threading.Thread(target=self._work, daemon=True, name="fewlab-lab")

    def start(self) -> Lab:
        """Start both processes and the worker thread; returns at once."""
        self.assistant.start()
        self.trainer.start()
        self._thread.start()
        atexit.register(self.close)
        return self

    def close(self) -> None:
        """End the processes: a run that trains writes a checkpoint and is interrupted."""
        if self._closing:
            return
        self._closing = True
        self.trainer.close()
        self.assistant.close()
        self._wake.set()
        self._ended.set()
        self._thread.join(timeout=10)
        # Only now may another FewLab train here: until it is gone, the process still writes its last checkpoint.
        if not self.trainer.wait(timeout=20):
            log.warning("the training process did not end in time")
        self._lock.release(force=True)

    @property
    def trains(self) -> bool:
        """Whether this Lab holds the lock; if not, another FewLab trains in this folder and this one only watches."""
        return self._lock.is_locked

    @property
    def current(self) -> str | None:
        """Id of the run that is training or paused in this Lab."""
        folder = self._current
        return folder.id if folder else None

    # what pages ask for

    def check(self, config: dict[str, Any]) -> dict[str, Any]:
        """The config resolved and validated. Raises LabError with the sentence of what is wrong."""
        resolved = self.assistant.ask(CheckConfig(config, str(self.store.root)))
        return resolved

    def submit(self, config: dict[str, Any]) -> RunFolder:
        """Check a config, queue a run of it and wake the worker. Raises LabError with the sentence of what is wrong."""
        folder = self.store.create(self.check(config))
        self._wake.set()
        return folder

    def wake(self) -> None:
        """A run was put into the queue by another process: look at once."""
        self._wake.set()

    def resume(self, run_id: str, reason: str = "") -> None:
        """Go on with a stopped or interrupted run, or one that is paused here. Raises RunError for any other."""
        # A run that has just stopped is still current until its process has said so.
        if run_id == self.current and self.store.open(run_id).status().active:
            self.command(run_id, "resume")
            return
        if not self._write_end(run_id):
            self.store.requeue(run_id, reason)
        self._wake.set()

    def command(self, run_id: str, action: Action) -> None:
        """Pause, resume or stop the run that trains; a queued one can be stopped too. Raises LabError if it does not
        train here.
        """
        with self._handing_over:
            folder = self.store.open(run_id)
            if run_id == self.current:
                self.trainer.send({"do": action, "run": str(folder.path)})
                return
            if action == "stop" and folder.status().state == "queued":
                folder.update_status(state="stopped", reason=TAKEN_OUT)
                return
            self._write_end(run_id)
        raise LabError(
            f"Run {run_id} is not training here, so it cannot be told to {action}: its state is"
            f" {folder.status().state}."
        )

    def change(self, run_id: str, key: str, value: Any) -> None:
        """Change a live setting of the run that trains. Raises LabError if it does not train here."""
        if run_id != self.current:
            raise LabError(
                f"Run {run_id} is not training here, so {key} cannot be changed: start it again with the new value."
            )
        self.trainer.send({"do": "set", "run": str(self.store.open(run_id).path), "key": key, "value": value})

    def delete(self, run_id: str) -> None:
        """Remove a run from disk. Raises RunError while it trains, and LabError where runs are not deleted."""
        if not self.may_delete:
            raise LabError(NOT_DELETED)
        with self._handing_over:
            if run_id == self.current:
                raise RunError(f"Run {run_id} is training: stop it before deleting it.")
            self.store.delete(run_id, is_over=run_id in self._unwritten)
            self._unwritten.pop(run_id, None)

    def move(self, run_id: str, places: int) -> None:
        """Move a queued run up (negative) or down the queue."""
        with self._handing_over:
            queue = [run for run in self.store.queue() if run.id != self.current]
            index = next((i for i, run in enumerate(queue) if run.id == run_id), None)
            if index is None:
                raise RunError(f"Run {run_id} does not wait in the queue any more.")
            other = max(0, min(len(queue) - 1, index + places))
            queue.insert(other, queue.pop(index))
            for position, order in enumerate(sorted(run.status.order for run in queue)):
                queue[position].folder.update_status(order=order)

    # the worker thread

    def _work(self) -> None:
        while not self._closing:
            try:
                self._turn()
            # A full disk or a folder without permission: the lab must still be there when that is mended.
            except Exception:
                log.exception("the queue could not be worked on")
                self._wake.wait(2.0)

    def _turn(self) -> None:
        if not self._lock.is_locked and not self._take_lock():
            self._wake.wait(2.0)
            self._wake.clear()
            return
        for run_id in list(self._unwritten):
            with suppress(FewLabError, OSError):  # still no room, or gone
                self._write_end(run_id)
        queue = self.store.queue()
        if queue:
            self._train(queue[0])
            return
        # Other processes may add to the queue without being able to wake this thread.
        self._wake.wait(1.0)
        self._wake.clear()

    def _take_lock(self) -> bool:
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            return False
        self._recover()
        return True

    def _recover(self) -> None:
        """With the lock held nobody trains: runs that still say so were cut off. What was training goes on; what was
        paused waits.
        """
        self.store.sweep()
        for run in self.store.runs():
            try:
                status = run.folder.status_when_quiet(lambda: self._closing)
                if status.state in ("running", "paused"):
                    self._unwritten[run.id] = PAUSED_APP_ENDED if status.state == "paused" else APP_ENDED
                    self._write_end(run.id)
                elif status.state == "interrupted" and status.reason == APP_ENDED:
                    self._go_on(run.id)
            except (FewLabError, OSError):
                log.exception("run %s could not be taken up again", run.id)

    def _go_on(self, run_id: str) -> None:
        self.store.requeue(run_id, "FewLab was restarted and goes on with this run.", keeps_place=True)

    def _train(self, run: Run) -> None:
        self._ended.clear()
        self._reason = ""
        try:
            with self._handing_over:
                if run.folder.status().state != "queued":  # taken out of the queue at the last moment
                    return
                self._unwritten.pop(run.id, None)
                self._current = run.folder
                self._trained_by = self.trainer.send({"do": "run", "run": str(run.folder.path)})
            if self._trained_by in self._gone:
                self._ended.set()
            self._ended.wait()
            self._settle(run.folder)
        except LabError as error:
            if self._closing:  # its process was closed before it got the run, which stays queued for the next start
                return
            self._write_off(run.folder, str(error))
        finally:
            self._current = None
            self._trained_by = 0

    def _settle(self, folder: RunFolder) -> None:
        try:
            state = folder.status().state
        except RunError:  # deleted or damaged meanwhile: nothing to write
            return
        # Queued, though its process lives: somebody resumed it the moment it had stopped.
        died = self._trained_by in self._gone
        if (state in ("running", "paused") or (state == "queued" and died)) and not self._closing:
            self._write_off(
                folder,
                self._reason
                or "The training process ended unexpectedly (out of memory or killed): resume the run to go on from its"
                " last checkpoint.",
            )
        elif state == "queued" and self._reason:  # not even its start could be written: it waits for room
            self._wake.wait(2.0)

    def _write_off(self, folder: RunFolder, reason: str) -> None:
        self._unwritten[folder.id] = reason
        try:
            self._write_end(folder.id)
        except FewLabError:
            log.exception("the end of run %s could not be written", folder.id)

    def _write_end(self, run_id: str) -> bool:
        """Write the end of a run that there was no room for, if there is one. Returns whether the run was queued again
        by that. Raises LabError if there still is no room.
        """
        with self._handing_over:
            reason = self._unwritten.get(run_id)
            if reason is None:
                return False
            folder = RunFolder(self.store.root / run_id)
            try:
                status = folder.status()
                if status.active:
                    folder.add_event("interrupted", status.step, reason=reason)
                    folder.update_status(state="interrupted", reason=reason)
            except RunError:  # deleted or damaged meanwhile: nothing to write
                self._unwritten.pop(run_id)
                return False
            except OSError as error:
                raise LabError(
                    f"Run {run_id} has ended, but that could not be written ({error.strerror or type(error).__name__}):"
                    " free some disk space, then try again."
                ) from None
            self._unwritten.pop(run_id)
            if reason == APP_ENDED:
                self._go_on(run_id)
            return reason == APP_ENDED

    def _on_trainer(self, message: Message) -> None:
        current = self._current
        ended = message.get("event") == "ended" and current is not None and message.get("run") == str(current.path)
        if message.get("event") == "died":
            self._gone.add(message["pid"])
        if ended:
            self._reason = str(message.get("reason") or "")
        if ended or (message.get("event") == "died" and message["pid"] == self._trained_by):
            self._ended.set()
        if message.get("event") == "ready":
            self._lived = True
        if message.get("event") == "measured":
            self.times_as_long = float(message["times_as_long"])
        if message.get("event") == "died" and not self._closing:
            log.warning("the training process ended with status %s", message.get("status"))
            if self._lived:  # one that cannot even start is not started again and again
                self._lived = False
                self.trainer.start()
