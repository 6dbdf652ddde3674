"""The sweeps of a server: begun, paused, stopped and tested; driven by a process of its own. No torch, no optuna."""

from __future__ import annotations

import atexit
import logging
import threading
from contextlib import suppress

from engine.errors import FewLabError
from engine.lab.lab import Lab
from engine.lab.messages import CheckSweep
from engine.lab.worker_client import Message, WorkerClient
from engine.tuning.sweep_folder import SweepFolder, SweepStore
from engine.tuning.sweep_plan import SweepPlan

_LOOKS = 2.0  # seconds between two looks for a sweep that another process has begun
log = logging.getLogger("fewlab.sweeps")


class SweepQueue:
    """Starts the process that drives sweeps when one shall run, and passes on whom it wants to stop. Where another
    FewLab trains in this folder, that one drives: only who trains a run can stop it.
    """

    def __init__(self, lab: Lab) -> None:
        self.store = SweepStore(lab.store.root)
        self._lab = lab
        self._link = WorkerClient(
            lab.store.root / ".sweeps.log",
            self._on_event,
            yields=True,
            module="engine.lab.sweeps.sweep_worker",
        )
        self._wake = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._work, daemon=True, name="fewlab-sweeps")

    def start(self) -> SweepQueue:
        """Go on with what shall run, now and whenever somebody asks; returns at once."""
        self._thread.start()
        atexit.register(self.close)
        return self

    def close(self) -> None:
        """End the process; a sweep that was under way goes on at the next start."""
        self._closing = True
        self._wake.set()
        self._link.close()
        self._link.kill()

    @property
    def pid(self) -> int | None:
        """Process id of the process that drives, None while there is none."""
        return self._link.pid

    def begin(self, plan: SweepPlan) -> SweepFolder:
        """Check a sweep and let it run. Raises LabError or ConfigError with the sentence of what is wrong."""
        plan.check()
        self._lab.assistant.ask(CheckSweep(plan.plain(), str(self._lab.store.root)))
        sweep = self.store.create(plan)
        self._wake.set()
        return sweep

    def go_on(self, sweep: SweepFolder, trials: int | None = None, minutes: float | None = None) -> None:
        """Resume a sweep. Given another budget it searches further, also after its test on new draws of labels. Raises
        ConfigError for a budget that no sweep has.
        """
        is_larger = trials is not None or minutes is not None
        if is_larger:
            sweep.write_plan(sweep.plan().with_budget(trials, minutes))
        sweep.want("run", "search" if is_larger else None)
        self._wake.set()

    def test_on_new_seeds(self, sweep: SweepFolder, count: int) -> None:
        """Raises ConfigError if there is nothing to test."""
        sweep.ask_for_fresh_seeds(count)
        self._wake.set()

    def _work(self) -> None:
        while not self._closing:
            try:
                if self._link.pid is None and self._lab.trains and self.store.asked_to_run():
                    self._link.send({"do": "drive", "checkpoints": str(self._lab.store.root)})
            except (FewLabError, OSError):  # tried again at the next look
                log.exception("sweeps could not be gone on with")
            self._wake.wait(_LOOKS)
            self._wake.clear()

    def _on_event(self, message: Message) -> None:
        if message.get("event") == "queued":
            self._lab.wake()
        elif message.get("event") == "stop":
            with suppress(FewLabError):  # it has just ended
                self._lab.command(str(message["run"]), "stop")
