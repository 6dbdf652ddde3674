"""The training process while it waits for its first run."""

from __future__ import annotations

from typing import Any

import pytest

from engine.lab.workers import training_worker
from engine.lab.workers.training_worker import TrainingWorker


class Said:
    """In place of the pipe to the server."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []

    def say(self, message: dict[str, Any]) -> None:
        self.messages.append(message)


def test_a_machine_that_cannot_be_measured_still_gets_its_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that ended for it would be started again, and end again, for as long as the disk is full."""

    def full() -> float:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("engine.lab.workers.requests.times_as_long", full)
    monkeypatch.setattr(training_worker, "_SETTLED", 0.01)
    said = Said()
    worker = TrainingWorker(said, trains=True)  # type: ignore[arg-type]
    monkeypatch.setattr(worker, "_measure", _then(worker, worker._measure))
    assert worker._next_job() == {"do": "run", "run": "r"}
    assert said.messages == []


def _then(worker: TrainingWorker, measure: Any) -> Any:
    """The run comes while the machine is measured."""

    def both() -> None:
        measure()
        worker._jobs.put({"do": "run", "run": "r"})

    return both
