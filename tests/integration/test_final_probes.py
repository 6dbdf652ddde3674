"""The probes that a run without labels ends with tell how far they are, and can be cut short."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from engine.config.run_config import RunConfig
from engine.predictor import Predictor
from engine.runs.folder import Status
from engine.runs.store import Store
from engine.training.commands import Command, Control
from engine.training.trainer import Trainer

CONFIG = {
    "method": {"name": "simclr"},
    "data": {"name": "digits"},
    "budget": {"steps": 6, "batch_size": 32, "evaluate_every": 6},
    "hardware": {"device": "cpu", "threads": 1},
}


def test_an_app_that_is_closed_meanwhile_leaves_the_run_to_be_measured_when_it_goes_on(tmp_path: Path) -> None:
    status, _, _ = trained(tmp_path, "final probes: 2 of 12 done", "interrupt")
    assert status.state == "interrupted"
    (folder,) = Store(tmp_path).runs()
    again = Trainer(folder.folder).run()
    assert again.state == "finished"
    assert "test/linear_full/first_weights" in again.metrics


def trained(
    root: Path, stop_at: str, kind: Literal["stop", "interrupt"] = "stop"
) -> tuple[Status, list[str], set[str]]:
    """Final status, what was told while it was measured, and the names of the final metrics. stop_at: the words at
    which it is told to stop.
    """
    folder = Store(root).create(RunConfig.parse(CONFIG).model_dump(mode="json"))
    control, told = Control(), list[str]()

    def tell(status: Status) -> None:
        if status.state == "running" and status.reason:
            told.append(status.reason)
            if status.reason == stop_at:
                control.send(Command(kind))

    status = Trainer(folder, control, tell).run()
    if status.state == "finished":
        assert Predictor(folder).class_names[0] == "0"  # what is there answers
    return status, told, set(status.metrics)


def test_every_probe_is_told_and_a_stop_leaves_out_those_that_are_missing(tmp_path: Path) -> None:
    status, told, whole = trained(tmp_path / "whole", "")
    assert told == [f"final probes: {done} of 12 done" for done in range(1, 13)]
    assert status.reason == ""
    assert {"test/linear_full", "test/linear_10_per_class/pixels", "test/linear_full/first_weights"} <= whole

    status, told, some = trained(tmp_path / "short", "final probes: 2 of 12 done")
    assert status.state == "finished"
    assert told[-1] == "final probes: 4 of 12 done"  # each asks whether the next one is wanted
    assert status.reason == "The final measurements were cut short: the probes that are missing were not taken."
    assert {"test/linear_full", "test/linear_1_per_class", "test/accuracy"} <= some
    assert not any(name.endswith(("/pixels", "/first_weights", "_10_per_class")) for name in some)
