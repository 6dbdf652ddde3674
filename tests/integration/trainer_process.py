"""A process to be killed: trains the run in a folder, writing a checkpoint every so many seconds.

It is forked from a process that has imported torch and has done nothing else, so that a test which kills five need not
wait for five imports.
"""

from __future__ import annotations

import json
import multiprocessing
import os
from multiprocessing.process import BaseProcess
from pathlib import Path

from engine.runs.folder import RunFolder
from engine.training.commands import Command, Control
from engine.training.trainer import Trainer

# What a run imports late: the digits, the final metrics, and what torch's optimizers ask for.
NEEDED = ("sklearn.datasets", "sklearn.metrics", "torch._dynamo", "torch._inductor.config")


class At(Control):
    """Sends one command before a step; counts the looks at it, of which there is one per step."""

    def __init__(self, step: int, command: Command) -> None:
        super().__init__()
        self._left, self._command = step, command

    def poll(self) -> Command | None:
        self._left -= 1
        if self._left == -1:
            return self._command
        return super().poll()


def start(folder: RunFolder, seconds: float, *change: str) -> BaseProcess:
    """change: step, key and JSON value: change a live setting before the 0-based step."""
    process: BaseProcess
    arguments = (folder.path, seconds, *change)
    if os.name == "nt":  # which cannot fork
        process = multiprocessing.get_context("spawn").Process(target=_train, args=arguments)
    else:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([__name__, *NEEDED])
        process = context.Process(target=_train, args=arguments)
    process.start()
    return process


def _train(path: Path, seconds: float, *change: str) -> None:
    control = At(int(change[0]), Command("set", change[1], json.loads(change[2]))) if change else None
    Trainer(RunFolder(path), control, checkpoint_seconds=seconds).run()
