"""The run folder: files appear whole or not at all, two generations of checkpoints, and formats that know their
version.
"""

from __future__ import annotations

import io
import json
import threading
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.errors import RunError
from engine.runs.atomic_write import write_bytes
from engine.runs.folder import Change, RunFolder, Status

ID = "20260301-142530-fixmatch-digits-4f2a"


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    (tmp_path / ID).mkdir()
    return RunFolder(tmp_path / ID)


def files(folder: RunFolder) -> list[str]:
    return sorted(path.name for path in folder.path.iterdir())


def test_a_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    path, done = tmp_path / "status.json", threading.Event()
    contents = [bytes([65 + i]) * 300_000 for i in range(6)]
    write_bytes(path, contents[0])
    seen: set[bytes] = set()

    def watch() -> None:
        while not done.is_set():
            seen.add(path.read_bytes())

    reader = threading.Thread(target=watch)
    reader.start()
    for _ in range(5):
        for content in contents:
            write_bytes(path, content)
    done.set()
    reader.join()
    assert seen <= set(contents)
    assert [p.name for p in tmp_path.iterdir()] == ["status.json"]


def test_a_failed_write_leaves_the_old_file_and_no_rubbish(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    write_bytes(path, b"old")
    with pytest.raises(TypeError):
        write_bytes(path, "text is no bytes")  # type: ignore[arg-type]  # the mistake that is tried
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["status.json"]


def test_a_status_comes_back_as_it_was_written(folder: RunFolder) -> None:
    status = Status("running", 5, 10, 1.5, 200.0, "because", 77, 1e9, 3.0, {"test/accuracy": 0.9})
    folder.write_status(status)
    assert folder.status() == status
    assert folder.update_status(step=6).step == 6
    assert folder.status() == Status("running", 6, 10, 1.5, 200.0, "because", 77, 1e9, 3.0, {"test/accuracy": 0.9})
    assert files(folder) == ["status.json"]


def test_a_status_of_a_newer_format_says_so(folder: RunFolder) -> None:
    (folder.path / "status.json").write_text(json.dumps({"state": "finished", "version": 7}))
    with pytest.raises(RunError) as refused:
        folder.status()
    assert (
        str(refused.value)
        == f"Run {ID} was written in format 7 and this FewLab reads up to 1: update FewLab to open it."
    )


def test_a_status_with_fields_of_its_own_format_only_is_filled_with_defaults(folder: RunFolder) -> None:
    (folder.path / "status.json").write_text('{"state": "stopped", "unheard_of": 1}')
    assert folder.status() == Status("stopped")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, f"Run {ID} has no status.json: it was not made by FewLab or is being deleted."),
        ("", f"status.json of run {ID} cannot be read (JSONDecodeError): delete the run or restore the file."),
        ("[1]", f"status.json of run {ID} is not an object: delete the run or restore the file."),
        ("{}", f"The status of run {ID} is not readable: delete the run or restore its status.json."),
        (
            '{"state": "dreaming"}',
            f"The status of run {ID} is not readable: delete the run or restore its status.json.",
        ),
        (
            '{"state": "queued", "order": "first"}',
            f"The status of run {ID} is not readable: delete the run or restore its status.json.",
        ),
        (
            '{"state": "finished", "metrics": [0.9]}',
            f"The status of run {ID} is not readable: delete the run or restore its status.json.",
        ),
    ],
)
def test_a_status_that_cannot_be_read_says_why(folder: RunFolder, content: str | None, sentence: str) -> None:
    if content is not None:
        (folder.path / "status.json").write_text(content)
    with pytest.raises(RunError) as refused:
        folder.status()
    assert str(refused.value) == sentence


def test_two_generations_of_checkpoints_are_kept(folder: RunFolder) -> None:
    for content in (b"first", b"second", b"third"):
        folder.write_checkpoint(content)
    assert folder.checkpoint_file.read_bytes() == b"third"
    assert folder.previous_checkpoint_file.read_bytes() == b"second"
    assert files(folder) == ["checkpoint.previous.pt", "checkpoint.pt"]


def test_after_a_kill_between_the_generations_the_previous_one_is_kept_until_the_next_is_whole(
    folder: RunFolder,
) -> None:
    folder.write_checkpoint(b"first")
    folder.checkpoint_file.rename(folder.previous_checkpoint_file)  # where a kill during the write leaves things
    folder.write_checkpoint(b"second")
    assert folder.checkpoint_file.read_bytes() == b"second"
    assert folder.previous_checkpoint_file.read_bytes() == b"first"


def test_snapshots_come_back_by_step_in_order(folder: RunFolder) -> None:
    arrays: dict[str, Any] = {"ids": np.array([3, 1]), "probabilities": np.array([[0.25, 0.75], [1, 0]], np.float16)}
    for step in (100, 25, 50):
        folder.write_snapshot(step, arrays)
    assert folder.snapshot_steps() == [25, 50, 100]
    back = folder.snapshot(50)
    assert set(back) == {"ids", "probabilities"}
    assert all(np.array_equal(back[name], arrays[name]) and back[name].dtype == arrays[name].dtype for name in arrays)


def test_a_snapshot_being_written_is_not_listed(folder: RunFolder) -> None:
    folder.snapshots.mkdir()
    (folder.snapshots / "00000025.tmp.npz").write_bytes(b"half")
    assert folder.snapshot_steps() == []


def test_the_split_comes_back_in_its_order(folder: RunFolder) -> None:
    parts = {
        "labeled": np.array([9, 2]),
        "pool": np.array([5, 9, 2]),
        "validation": np.array([], np.int64),
        "test": np.array([1]),
    }
    folder.write_split(**parts)
    assert {name: ids.tolist() for name, ids in folder.split().items()} == {
        name: ids.tolist() for name, ids in parts.items()
    }


def test_events_keep_their_order_and_their_facts(folder: RunFolder) -> None:
    folder.add_event("start", 0, pid=5)
    folder.add_event("change", 7, key="method.threshold", value=0.5)
    assert [(e["event"], e["step"]) for e in folder.events()] == [("start", 0), ("change", 7)]
    assert folder.events()[1]["value"] == 0.5


def test_the_size_on_disk_is_the_sum_of_all_files(folder: RunFolder) -> None:
    (folder.path / "a").write_bytes(b"x" * 10)
    folder.snapshots.mkdir()
    (folder.snapshots / "b").write_bytes(b"x" * 5)
    assert folder.size_on_disk() == 15


def test_lines_of_wrong_types_in_the_journals_are_passed_over(folder: RunFolder) -> None:
    folder.add_metrics({"step": 5, "test/accuracy": 0.5, "note": "by hand", "list": [1]})
    assert folder.metrics() == [{"step": 5, "test/accuracy": 0.5}]
    folder.add_event("change", 3, key="method.threshold", value=0.8)
    folder.add_event("change", 4, key=["method"], value=0.8)
    with folder.events_file.open("a") as file:
        file.write('{"event": "change", "step": "five", "key": "method.threshold", "value": 1}\n')
    assert folder.changes() == [Change(3, "method.threshold", 0.8)]


def test_an_exported_run_opens_where_it_is_unpacked(folder: RunFolder, tmp_path: Path) -> None:
    folder.write_config({"seed": 1})
    folder.write_snapshot(10, {"ids": np.arange(3)})
    (folder.path / ".status.json.tmp").write_bytes(b"half")
    with zipfile.ZipFile(io.BytesIO(folder.as_zip())) as archive:
        assert sorted(archive.namelist()) == [f"{ID}/config.json", f"{ID}/snapshots/00000010.npz"]
        archive.extractall(tmp_path / "elsewhere")
    assert RunFolder(tmp_path / "elsewhere" / ID).snapshot(10)["ids"].tolist() == [0, 1, 2]
