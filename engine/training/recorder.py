"""Recorder: a run's status, its curves and its checkpoints, and when they are written.

The trainer writes what a step or an evaluation brings forth: the start, the split, snapshots, the model. What is asked
of a run while it trains (pause, change, refused) is written by `CommandHandler`.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from engine.errors import FewLabError
from engine.runs.folder import RunFolder, State, Status
from engine.training.checkpoint_writer import CheckpointWriter
from engine.training.observers.observer import Observers

CHECKPOINT_SECONDS = 10.0
HEARTBEAT_SECONDS = 5.0  # while nothing else tells
STATUS_SECONDS = 1.0
SPEED_SECONDS = 5.0  # the stretch over which images per second are counted
Progress = Callable[[Status], None]


class Recorder:
    """Status, metrics and checkpoints of one run, with the time that its training has taken.

    step, seconds: how far the run is; `tick` adds the time since the last tick.
    """

    def __init__(
        self, folder: RunFolder, progress: Progress | None = None, checkpoint_seconds: float = CHECKPOINT_SECONDS
    ) -> None:
        self.folder = folder
        self.step, self.seconds = 0, 0.0
        self._progress = progress
        self._checkpoints = CheckpointWriter(folder, checkpoint_seconds)
        self.observers = Observers({})

    def begin(self, steps: int, images_per_step: int) -> None:
        """The run is set up, or restored to `step` and `seconds`: from here on its time counts."""
        self.status = self.folder.status()
        self._steps, self._images_per_step = steps, images_per_step
        self._speed_since = (self.step, self.seconds)
        self.restart_clock()

    def restart_clock(self) -> None:
        """The time until now was not spent on training."""
        self._clock = self._told_at = time.perf_counter()
        self._checkpoints.restart_clock()

    def take_back_to(self, seconds: float) -> None:
        """The time since the run had taken so many seconds was not spent on training."""
        self.seconds = seconds
        self._speed_since = (self.step, seconds)
        self.restart_clock()

    def tick(self) -> None:
        now = time.perf_counter()
        self.seconds += now - self._clock
        self._clock = now

    @property
    def checkpoint_due(self) -> bool:
        return self._checkpoints.due

    @property
    def status_due(self) -> bool:
        """At the first step, which a page waits for to draw the first point, and once a second from then on."""
        return self.status.step == 0 or time.perf_counter() - self._told_at >= STATUS_SECONDS

    def log(self, scalars: dict[str, float]) -> None:
        """The scalars since the last point of the curves."""
        self.tick()
        self.record({"seconds": round(self.seconds, 3), **scalars})

    def record(self, metrics: dict[str, float]) -> None:
        """What is measured at this step, for the run's folder and whoever watches."""
        self.folder.add_metrics({"step": self.step, **metrics})
        self.observers.record(self.step, metrics)

    def save(self, state: dict[str, Any], wait: bool) -> None:
        """Write a checkpoint of `state`, which is all that goes on changes with, beside what comes next. wait: until it
        is on the disk. Raises OSError if this one, or the one before, could not be written.
        """
        self._checkpoints.begin({"step": self.step, "seconds": self.seconds, **state})
        if wait:
            self._checkpoints.finish()

    def tell(self, state: State, **more: Any) -> Status:
        """Write the status: how far, how fast, that it is alive. more: fields of Status."""
        if state == "running":
            self.tick()
        step, seconds = self._speed_since
        rate = (
            (self.step - step) * self._images_per_step / max(self.seconds - seconds, 1e-9)
            if self.step > step
            else self.status.images_per_second
        )
        if self.seconds - seconds > SPEED_SECONDS:
            self._speed_since = (self.step, self.seconds)
        facts = {"step": self.step, "steps": self._steps, "seconds": self.seconds, "images_per_second": rate}
        self.status = self.folder.update_status(
            state=state, pid=os.getpid(), heartbeat=time.time(), **{"reason": "", **facts, **more}
        )
        self._told_at = time.perf_counter()
        if self._progress:
            self._progress(self.status)
        return self.status

    @contextmanager
    def heart_beating(self) -> Iterator[None]:
        """Probes of large features take minutes, in which no step tells that the run is alive."""
        self.tell("running")
        done = threading.Event()

        def beat() -> None:
            while not done.wait(HEARTBEAT_SECONDS):
                with suppress(OSError, FewLabError):
                    self.folder.update_status(heartbeat=time.time())

        beating = threading.Thread(target=beat, daemon=True)
        beating.start()
        try:
            yield
        finally:
            done.set()
            beating.join()

    def end(self, state: State, reason: str, metrics: dict[str, float]) -> Status:
        """The last word of a run that was not cut off."""
        self.tick()
        self.observers.end(state, metrics)
        self.folder.add_event(state, self.step, **({"reason": reason} if reason else {}))
        return self.tell(state, reason=reason, **({"metrics": metrics} if metrics else {}))

    def fail(self, reason: str, state: State = "failed") -> None:
        self.observers.end(state, {})
        try:
            self.folder.update_status(state=state, reason=reason, heartbeat=time.time())
        except (OSError, FewLabError):  # the disk itself is the trouble: the caller still gets the sentence
            return

    @property
    def interrupted_or_failed(self) -> State:
        """What to call a run that cannot go on for a reason outside of it: with a checkpoint, it can once that is
        corrected.
        """
        has_checkpoint = self.folder.checkpoint_file.exists() or self.folder.previous_checkpoint_file.exists()
        return "interrupted" if has_checkpoint else "failed"
