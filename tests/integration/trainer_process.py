"""A process to be killed: trains the run in a folder, writing a checkpoint every so many seconds.

    python -m tests.integration.trainer_process FOLDER SECONDS [STEP KEY VALUE]

STEP KEY VALUE: change a live setting before the 0-based step.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from engine.runs.folder import RunFolder
from engine.training.commands import Command, Control
from engine.training.trainer import Trainer


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


def main() -> None:
    path, seconds, *change = sys.argv[1:]
    control = At(int(change[0]), Command("set", change[1], json.loads(change[2]))) if change else None
    Trainer(RunFolder(Path(path)), control, checkpoint_seconds=float(seconds)).run()


if __name__ == "__main__":
    main()
