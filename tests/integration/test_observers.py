"""TensorBoard and wandb get what the run's folder gets, also over a stop and a resume; and neither can end a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.errors import ConfigError
from engine.lab.executors.inline import resume, train
from engine.runs.folder import Status
from engine.runs.store import Run
from engine.training.commands import Command, Control
from engine.training.observers import tensorboard as tensorboard_observer

pytest.importorskip("tensorboard")
SHORT: dict[str, Any] = {
    "method": {"name": "supervised"},
    "data": {"name": "digits"},
    "budget": {"steps": 20, "batch_size": 16, "evaluate_every": 10},
    "hardware": {"device": "cpu", "threads": 1},
}


def told(folder: Path) -> dict[str, dict[int, float]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    accumulator = EventAccumulator(str(folder), size_guidance={"scalars": 0}, purge_orphaned_data=True)
    accumulator.Reload()
    return {
        name: {event.step: event.value for event in accumulator.Scalars(name)} for name in accumulator.Tags()["scalars"]
    }


def written(run: Run) -> dict[str, dict[int, float]]:
    found: dict[str, dict[int, float]] = {}
    for row in run.folder.metrics():
        for name, value in row.items():
            if name != "step" and value is not None:
                found.setdefault(name, {})[row["step"]] = value
    return found


def same(events: dict[str, dict[int, float]], run: Run) -> None:
    wanted = written(run)
    assert {name for name in events if not name.startswith("final/")} == set(wanted)
    for name, values in wanted.items():
        assert events[name] == pytest.approx(values, rel=1e-5), name


def test_tensorboard_has_every_metric_of_the_run_at_its_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEWLAB_OBSERVERS", f"tensorboard:{tmp_path / 'logs'}")
    run = train(SHORT, tmp_path / "runs")
    events = told(tmp_path / "logs" / run.id)
    same(events, run)
    accuracy = run.status.metrics["test/accuracy"]
    assert events["final/test/accuracy"][20] == pytest.approx(accuracy, rel=1e-6)


def test_a_resumed_run_goes_on_in_the_same_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEWLAB_OBSERVERS", f"tensorboard:{tmp_path / 'logs'}")
    control = Control()

    def stop(status: Status) -> None:
        if status.step >= 100:
            control.send(Command("stop"))

    long = {**SHORT, "budget": {**SHORT["budget"], "steps": 100_000}}
    run = train(long, tmp_path / "runs", stop, control)
    assert run.status.state == "stopped"
    same(told(tmp_path / "logs" / run.id), run)
    again = Control()

    def stop_again(status: Status) -> None:
        if status.step >= run.status.step + 100:
            again.send(Command("stop"))

    resumed = resume(run.id, tmp_path / "runs", stop_again, again)
    assert resumed.status.step > run.status.step
    same(told(tmp_path / "logs" / run.id), resumed)


def test_an_observer_that_fails_is_left_out_and_the_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("FEWLAB_OBSERVERS", f"tensorboard:{tmp_path / 'logs'}")
    heard: list[int] = []

    def full(self: Any, step: int, metrics: Any) -> None:
        heard.append(step)
        raise OSError("the disk is full")

    monkeypatch.setattr(tensorboard_observer.TensorBoard, "record", full)
    run = train(SHORT, tmp_path / "runs")
    assert run.status.state == "finished"
    assert len(heard) == 1
    assert "The observer tensorboard failed and hears no more of this run." in caplog.text


def test_an_observer_that_cannot_begin_ends_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("FEWLAB_OBSERVERS", f"tensorboard:{tmp_path / 'file' / 'logs'}")
    assert train(SHORT, tmp_path / "runs").status.state == "finished"
    assert "The observer tensorboard cannot begin and hears nothing of this run." in caplog.text


@pytest.mark.slow
def test_wandb_keeps_the_metrics_and_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Offline: into the file that would be sent, in which numbers are text."""
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("FEWLAB_OBSERVERS", "wandb:few-labels")
    run = train(SHORT, tmp_path / "runs")
    (file,) = tmp_path.rglob("*.wandb")
    sent = file.read_bytes()
    assert run.id.encode() in sent
    assert b"few-labels" in sent
    for name, values in written(run).items():
        assert name.encode() in sent
        for value in values.values():
            assert str(value).encode() in sent, (name, value)


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ("tensorboard", "name tensorboard with a folder"),
        ("mlflow:x", "'mlflow:x'"),
        ("tensorboard:a,tensorboard:b", "names tensorboard twice"),
        ("trackio:x", "whose package trackio is not installed"),
    ],
)
def test_what_is_not_there_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: str, sentence: str
) -> None:
    monkeypatch.setenv("FEWLAB_OBSERVERS", asked)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=sentence):
        train(SHORT, tmp_path / "runs")
    assert not (tmp_path / "a").exists()  # nothing was written before all was understood
