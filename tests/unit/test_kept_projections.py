"""Projections on disk: whole, or as if they were not there."""

from __future__ import annotations

import io
import os
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.runs.folder import RunFolder
from engine.runs.projections import NEWEST, Projection, key, read_projection, write_projection

KEPT = Projection(
    ids=np.array([3, 5, 9, 11]),
    part=np.array([0, 1, 1, 3], np.uint8),
    labels=np.array([0, 1, -1, 0]),
    frames=np.arange(16, dtype=np.float32).reshape(2, 4, 2),
    steps=np.array([25, 50]),
    trustworthiness=np.array([0.5, 0.9]),
    purity=np.array([0.25, np.nan]),
    purity_per_class=np.array([[0.1, 0.2, np.nan], [0.3, 0.4, 0.5]]),
    seconds=1.5,
)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    write_projection(tmp_path, "a", KEPT)
    found = read_projection(tmp_path, "a")
    assert found is not None
    for name, value in vars(KEPT).items():
        np.testing.assert_array_equal(getattr(found, name), value)
    assert found.seconds == 1.5
    assert [path.name for path in (tmp_path / "projections").iterdir()] == ["a.npz"]


def test_what_is_not_there_is_none(tmp_path: Path) -> None:
    assert read_projection(tmp_path, "a") is None


@pytest.mark.parametrize("keep", [0, 1, 100, 700, -1])
def test_half_a_file_is_as_if_it_were_not_there(tmp_path: Path, keep: int) -> None:
    write_projection(tmp_path, "a", KEPT)
    file = tmp_path / "projections" / "a.npz"
    file.write_bytes(file.read_bytes()[:keep])
    assert read_projection(tmp_path, "a") is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"ids": np.array([3, 5, 9])},
        {"frames": np.zeros((3, 4, 2), np.float32)},
        {"frames": np.zeros((4, 2), np.float32)},
        {"labels": np.array(["a", "b", "c", "d"])},
        {"labels": np.array([None] * 4)},  # a pickle, which is never opened
        {"seconds": np.array([1.0, 2.0])},
    ],
    ids=["too few ids", "too many frames", "one frame alone", "words for labels", "objects", "two durations"],
)
def test_arrays_that_do_not_belong_together_are_as_if_they_were_not_there(
    tmp_path: Path, wrong: dict[str, np.ndarray]
) -> None:
    (tmp_path / "projections").mkdir()
    np.savez(tmp_path / "projections" / "a.npz", **{**vars(KEPT), **wrong})
    assert read_projection(tmp_path, "a") is None
    write_projection(tmp_path, "a", KEPT)  # over it
    assert read_projection(tmp_path, "a") is not None


def test_what_a_killed_process_left_half_written_is_cleared_away_and_what_another_writes_now_is_not(
    tmp_path: Path,
) -> None:
    write_projection(tmp_path, "a", KEPT)
    old, new = (tmp_path / "projections" / f".{name}.npz.1.2.tmp" for name in ("old", "new"))
    for file in (old, new):
        file.write_bytes(b"half")
    os.utime(old, (time.time() - 3600,) * 2)
    write_projection(tmp_path, "b", replace(KEPT, seconds=2.0))
    assert {path.name for path in (tmp_path / "projections").iterdir()} == {"a.npz", "b.npz", ".new.npz.1.2.tmp"}


def test_only_the_newest_are_kept(tmp_path: Path) -> None:
    for number in range(NEWEST + 2):
        write_projection(tmp_path, f"{number:02}", KEPT)
        os.utime(tmp_path / "projections" / f"{number:02}.npz", (1e9 + number,) * 2)
    write_projection(tmp_path, "last", KEPT)
    assert {path.stem for path in (tmp_path / "projections").iterdir()} == {
        "last",
        *(f"{number:02}" for number in range(3, NEWEST + 2)),
    }


def test_an_exported_run_leaves_out_what_can_be_computed_again(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "20261121-000000-a-b-0000")
    run.path.mkdir()
    (run.path / "config.json").write_bytes(b"{}")
    write_projection(run.path, "a", KEPT)
    with zipfile.ZipFile(io.BytesIO(run.as_zip())) as archive:
        assert archive.namelist() == [f"{run.id}/config.json"]


def test_the_key_depends_on_every_value_and_on_the_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    first = key(source="pixels", steps=[1, 2])
    assert key(steps=[1, 2], source="pixels") == first
    assert key(steps=[1], source="pixels") != first
    monkeypatch.setattr("engine.runs.projections.version", lambda name: "99")
    assert key(source="pixels", steps=[1, 2]) != first
