"""What a process on a machine of a Ray cluster does: it trains runs in the folder that all machines share.

It imports no ray: `ray_trainer` makes an actor of the class, and sends this package to the machines.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Literal

from engine.errors import FewLabError
from engine.lab.executors.inline import requeue_if_cut_off
from engine.runs.store import Store
from engine.training.commands import Command, Control
from engine.training.run_log import run_log
from engine.training.trainer import Trainer, forget_ended_runs


class RayWorker:
    """One run at a time; `end` is called from another thread while `train` trains. Where the process dies, Ray starts
    another one, on a machine that has room, and calls `train` again there.
    """

    def __init__(self, checkpoints: str, checkpoint_seconds: float) -> None:
        self._store, self._seconds = Store(checkpoints), checkpoint_seconds
        self._control, self._run = Control(), ""

    def train(self, run_id: str) -> None:
        """Train a run that waits, or was cut off when the process before this one died, until it has ended or is told
        to. Why it failed is in its folder.
        """
        self._control, self._run = Control(), run_id
        folder = self._store.open(run_id)
        requeue_if_cut_off(self._store, folder)
        if folder.status().state == "queued":
            with suppress(FewLabError), run_log(folder):
                Trainer(folder, self._control, checkpoint_seconds=self._seconds).run()
            forget_ended_runs()

    def end(self, run_id: str, kind: Literal["stop", "interrupt"]) -> None:
        """Nothing if another run trains by now."""
        if run_id == self._run:
            self._control.send(Command(kind))


def sees(file: str) -> bool:
    """Whether the machine that is asked has this file."""
    return Path(file).is_file()
