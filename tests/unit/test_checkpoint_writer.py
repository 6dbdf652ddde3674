"""Checkpoints beside the training: what is written is the state as it was, at a cadence that follows its cost."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.runs.folder import RunFolder
from engine.training import checkpoint
from engine.training.checkpoint_writer import CheckpointWriter


def state(value: float, step: int = 1) -> dict[str, Any]:
    weight = torch.full((2, 2), value)
    parts: dict[str, Any] = {key: {} for key in ("average", "optimizer")}
    return {
        "step": step,
        "seconds": 0.0,
        "fingerprint": "",
        "watch": {"kept": [{"ids": weight}]},
        **parts,
        "method": {"weight": weight},
    }


def loaded(folder: RunFolder) -> dict[str, Any]:
    saved = checkpoint.load(folder)
    assert saved is not None
    return saved


def test_what_is_written_is_the_state_when_it_was_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next steps change the weights in place while the file is being written."""
    folder, release, save = RunFolder(tmp_path), threading.Event(), checkpoint.save

    def slowly(target: RunFolder, plain: dict[str, Any]) -> None:
        assert release.wait(10)
        save(target, plain)

    monkeypatch.setattr(checkpoint, "save", slowly)
    writer, live = CheckpointWriter(folder, 10), state(1.0)
    writer.begin(live)
    live["method"]["weight"].fill_(7)
    live["watch"]["kept"][0]["ids"].fill_(7)
    live["watch"]["kept"].append({})
    release.set()
    writer.finish()
    saved = loaded(folder)
    assert saved["method"]["weight"].tolist() == [[1, 1], [1, 1]]
    assert saved["watch"]["kept"][0]["ids"].tolist() == [[1, 1], [1, 1]]
    assert len(saved["watch"]["kept"]) == 1


def test_two_are_written_in_their_order(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    writer = CheckpointWriter(folder, 10)
    for step in (1, 2, 3):
        writer.begin(state(float(step), step))
    writer.finish()
    assert loaded(folder)["step"] == 3


def test_one_that_cannot_be_written_is_said_at_the_next_occasion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    writer = CheckpointWriter(RunFolder(tmp_path), 10)
    monkeypatch.setattr(checkpoint, "save", full)
    writer.begin(state(1.0))
    with pytest.raises(OSError, match="No space left"):
        writer.begin(state(2.0))
    writer.finish()


@pytest.mark.parametrize(
    ("took", "after", "due"), [(0.01, 9.9, False), (0.01, 10.1, True), (6.0, 100, False), (6.0, 121, True)]
)
def test_they_cost_at_most_a_twentieth_of_the_time(
    took: float, after: float, due: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])

    def write(*_: Any) -> None:
        now[0] += took

    monkeypatch.setattr(checkpoint, "save", write)
    writer = CheckpointWriter(RunFolder(tmp_path), 10.0)
    writer.begin(state(1.0))
    writer.finish()
    now[0] = 1000.0 + after
    assert writer.due == due
