"""Control: what a person may ask of a running run, and when it takes effect - always at the boundary between two
steps.
"""

from __future__ import annotations

import queue
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Command:
    """kind: what to do. key, value: for "set", a live setting such as "method.threshold". value of "interrupt": why."""

    kind: Literal["pause", "resume", "stop", "interrupt", "set"]
    key: str = ""
    value: Any = None


class Control:
    """Commands from any thread, read by the trainer between steps."""

    def __init__(self) -> None:
        self._commands: queue.SimpleQueue[Command] = queue.SimpleQueue()
        self.ends = False  # whether the run was ever told to stop; asked by what comes before its first step

    def send(self, command: Command) -> None:
        self.ends = self.ends or command.kind in ("stop", "interrupt")
        self._commands.put(command)

    def poll(self) -> Command | None:
        """The next command, or None at once."""
        try:
            return self._commands.get_nowait()
        except queue.Empty:
            return None

    def wait(self, timeout: float) -> Command | None:
        """The next command, or None after `timeout` seconds."""
        try:
            return self._commands.get(timeout=timeout)
        except queue.Empty:
            return None
