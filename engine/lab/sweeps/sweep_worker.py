"""The process that drives the sweeps of a server: `python -m engine.lab.sweeps.sweep_worker`. It imports no torch and
trains nothing: runs wait in the Lab's queue.

It is told {"do": "drive", "checkpoints": folder} once, and ends when no sweep shall run any more. It says {"event":
"queued"} when a run waits and {"event": "stop", "run": id} when one is to be stopped; what else there is to know lies
in the folders. End-of-file on the input ends it at once, and nothing is lost by that.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from engine.errors import FewLabError, RunError
from engine.lab.worker_stdio import WorkerStdio, claim_stdio
from engine.runs.folder import RESUMABLE, RunFolder
from engine.runs.store import Store
from engine.tuning.sweep_folder import SweepFolder, SweepStore

_LOOKS = 0.25  # seconds between two looks at a run that trains
_AGAIN = 2.0  # seconds until what did not work is tried again
log = logging.getLogger("fewlab.sweeps")


class QueueTrainer:
    """Runs trained by the server's Lab, or by whichever FewLab holds the lock: only the first can stop them."""

    at_once = 1  # the Lab trains one run after another
    leaves = False  # the process is ended from outside

    def __init__(self, store: Store, stdio: WorkerStdio) -> None:
        self._store, self._stdio = store, stdio

    def train(self, run_id: str, look: Callable[[], bool]) -> None:
        folder = RunFolder(self._store.root / run_id)
        if folder.status().state in RESUMABLE:
            self._store.requeue(run_id)
        self._stdio.say({"event": "queued"})
        asked = -_AGAIN
        while self._is_active(folder):
            if look() and time.monotonic() - asked >= _AGAIN:
                asked = time.monotonic()
                self._stdio.say({"event": "stop", "run": run_id})
            time.sleep(_LOOKS)
        look()  # what it wrote last

    @staticmethod
    def _is_active(folder: RunFolder) -> bool:
        try:
            return folder.status().active
        except RunError:  # deleted
            return False


class SweepWorker:
    """Drives what shall run, the oldest first; a sweep that another FewLab drives is left to it."""

    def __init__(self, stdio: WorkerStdio) -> None:
        self._stdio, self._messages = stdio, stdio.messages()
        self._said: dict[str, str] = {}  # by sweep, why it could not be driven the last time

    def serve(self) -> None:
        told = next(self._messages, None)
        if told is None:
            return
        self._store = Store(Path(told["checkpoints"]))
        threading.Thread(target=self._wait_for_the_end, daemon=True, name="commands").start()
        while asked := SweepStore(self._store.root).asked_to_run():
            if not any(map(self._driven, asked)):
                time.sleep(_AGAIN)

    def _wait_for_the_end(self) -> None:
        for _ in self._messages:
            continue
        os._exit(0)  # the server is gone

    def _driven(self, sweep: SweepFolder) -> bool:
        """Whether it could be driven, to its end or until it was paused."""
        from engine.tuning.driver import SweepDriver

        try:
            SweepDriver(sweep, self._store.root, QueueTrainer(self._store, self._stdio)).drive()
        except FewLabError as error:
            self._say_once(sweep, f"ended: {error}")
            return False
        except OSError as error:  # a full disk: the sweep is still asked for when that is mended
            self._say_once(sweep, f"could not be written: {error}")
            return False
        self._said.pop(sweep.name, None)
        return True

    def _say_once(self, sweep: SweepFolder, what: str) -> None:
        """Not at every try: one that another FewLab drives would be told of every other second, for hours."""
        if self._said.get(sweep.name) != what:
            self._said[sweep.name] = what
            log.warning("the sweep %s %s", sweep.name, what)


def main() -> None:
    SweepWorker(claim_stdio()).serve()
    # Not by the interpreter's own end, which aborts while a thread still reads the standard input.
    logging.shutdown()
    os._exit(0)


if __name__ == "__main__":
    main()
