"""Checkpoints written beside the training: a step waits for a copy of the state in memory, not for the disk."""

from __future__ import annotations

import copy
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from torch import Tensor

from engine.runs.folder import RunFolder
from engine.training import checkpoint

SHARE = 0.05  # of the time that a run trains: what its checkpoints may cost


class CheckpointWriter:
    """seconds: how often, where that costs less than SHARE of the time; else more rarely."""

    def __init__(self, folder: RunFolder, seconds: float) -> None:
        self._folder, self._seconds = folder, seconds
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._writing: Future[None] | None = None
        self._cost = 0.0
        self.restart_clock()

    def restart_clock(self) -> None:
        """The time until now was not spent on training."""
        self._saved_at = time.perf_counter()

    @property
    def due(self) -> bool:
        return time.perf_counter() - self._saved_at >= max(self._seconds, self._cost / SHARE)

    def begin(self, state: dict[str, Any]) -> None:
        """Copy `state` and write it beside what comes next. Raises OSError if the one before could not be written."""
        self.finish()
        began = self._saved_at = time.perf_counter()
        self._writing = self._thread.submit(self._write, on_cpu(state), began)

    def finish(self) -> None:
        """Wait until what was begun is on the disk. Raises OSError if it could not be written."""
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()

    def _write(self, state: dict[str, Any], began: float) -> None:
        checkpoint.save(self._folder, state)
        # Also what the thread took: on a machine without a free core, training pays for that too.
        self._cost = time.perf_counter() - began


def on_cpu(value: Any) -> Any:
    """The value with its tensors copied to the CPU; dicts and lists that hold them are copied too, as what they are."""
    if isinstance(value, Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        held = copy.copy(value)
        held.update({key: on_cpu(part) for key, part in value.items()})
        return held
    if isinstance(value, list):
        return [on_cpu(part) for part in value]
    return value
