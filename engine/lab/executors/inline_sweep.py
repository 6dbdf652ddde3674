"""The runs of a sweep trained in this process, for the command line and tests."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from engine.errors import FewLabError
from engine.lab.executors.inline import Progress, train_queued
from engine.runs.folder import RunFolder
from engine.training.commands import Command, Control

_LOOKS = 0.1  # seconds between two looks at the run that trains


class InlineTrainer:
    """Trains in the calling thread, and looks from one of its own. A run that another FewLab trains, because it holds
    the lock, is followed and not stopped.
    """

    at_once = 1

    def __init__(self, checkpoints: Path, asked: Control, progress: Progress | None = None) -> None:
        """asked: told to end, it interrupts the run and leaves the sweep."""
        self._checkpoints, self._asked, self._progress = checkpoints, asked, progress

    @property
    def leaves(self) -> bool:
        return self._asked.ends

    def train(self, run_id: str, look: Callable[[], bool]) -> None:
        # Of its own: a stop that comes as the run ends must not reach the next one.
        control, over = Control(), threading.Event()
        troubles: list[BaseException] = []
        folder = RunFolder(self._checkpoints / run_id)

        def watch() -> None:
            asked = False
            while not over.wait(_LOOKS):
                try:
                    ends = look()
                except Exception as error:  # it is raised again where the sweep is driven
                    troubles.append(error)
                    ends = True
                if ends and not asked:
                    if self.leaves:
                        asked = True
                        control.send(Command("interrupt"))
                    elif _is_ours(folder):
                        asked = True
                        control.send(Command("stop"))

        watching = threading.Thread(target=watch, daemon=True, name="sweep")
        watching.start()
        try:
            # The run's folder says why it failed.
            with suppress(FewLabError):
                train_queued(run_id, self._checkpoints, self._progress, control)
        finally:
            over.set()
            watching.join()
        if troubles:
            raise troubles[0]
        look()  # what it wrote last


def _is_ours(folder: RunFolder) -> bool:
    with suppress(FewLabError):
        status = folder.status()
        return status.state != "running" or status.pid == os.getpid()
    return False
