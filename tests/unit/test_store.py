"""Store: ids that sort by time, a queue that any process can add to, and nothing that a person typed as a path."""

from __future__ import annotations

import errno
import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from engine.config.run_config import RunConfig
from engine.errors import RunError, UnknownName
from engine.runs.folder import RunFolder
from engine.runs.store import ID, Store


def plain(**changes: Any) -> dict[str, Any]:
    return RunConfig.parse(changes).model_dump(mode="json")


def ended(store: Store, state: str, **more: Any) -> RunFolder:
    folder = store.create(plain())
    folder.update_status(state=state, **more)
    return folder


def test_a_new_run_is_queued_and_its_id_says_what_and_when(store: Store) -> None:
    folder = store.create(plain(method="supervised", data="noise", budget={"steps": 7}))
    assert ID.fullmatch(folder.id)
    assert folder.id[16:].startswith("supervised-noise-")
    run = store.run(folder.id)
    assert (run.status.state, run.status.steps, run.status.step) == ("queued", 7, 0)
    assert abs(run.created.timestamp() - time.time()) < 5
    assert run.config == plain(method="supervised", data="noise", budget={"steps": 7})


def test_two_threads_never_get_the_same_run(store: Store) -> None:
    made: list[str] = []

    def create() -> None:
        made.extend(store.create(plain()).id for _ in range(15))

    threads = [threading.Thread(target=create) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 60
    assert {run.id for run in store.runs()} == set(made)
    assert len(store.queue()) == 60


@pytest.mark.parametrize("name", ["../../etc", "a/b\\c", "", "..", "Größe", "x\0y", "con"])
def test_a_name_never_becomes_a_path(store: Store, name: str) -> None:
    config = plain()
    config["method"]["name"] = name
    folder = store.create({**config, "name": name})
    assert folder.path.parent == store.root
    assert ID.fullmatch(folder.id)
    assert [path.name for path in store.root.iterdir()] == [folder.id]


NO_IDS = [
    "",
    ".",
    "..",
    "../x",
    "/etc/passwd",
    "a/b",
    "a\\b",
    ".lock",
    "x" * 5000,
    "\0",
    *(f"20260301-142530-fixmatch-digits-4f2a{end}" for end in ("", "/..", "\n")),
]


@pytest.mark.parametrize("hostile", NO_IDS)
def test_an_id_that_is_no_id_opens_nothing(store: Store, hostile: str) -> None:
    (store.root.parent / "x").mkdir()
    store.create(plain())
    for ask in (store.open, store.run, store.delete, store.requeue, lambda run: store.rename(run, "new")):
        with pytest.raises(UnknownName, match=r"^There is no run named"):
            ask(hostile)
    assert (store.root.parent / "x").is_dir()
    assert len(store.runs()) == 1


def test_a_mistyped_id_is_answered_with_the_nearest(store: Store) -> None:
    folder = store.create(plain())
    with pytest.raises(UnknownName) as refused:
        store.open(folder.id[:-1])
    assert str(refused.value) == f"There is no run named '{folder.id[:-1]}': did you mean '{folder.id}'?"


def test_runs_are_listed_newest_first_and_broken_ones_apart(store: Store) -> None:
    for name in (
        "20250101-000000-fixmatch-digits-aaaa",
        "20260101-000000-fixmatch-digits-bbbb",
        "20240101-000000-fixmatch-digits-cccc",
    ):
        folder = RunFolder(store.root / name)
        folder.path.mkdir(parents=True)
        folder.write_config(plain())
        if not name.endswith("cccc"):
            (folder.path / "status.json").write_text('{"state": "finished"}')
    (store.root / "not-a-run").mkdir()
    (store.root / "20230101-000000-fixmatch-digits-dddd").write_text("a file")
    assert [run.id[-4:] for run in store.runs()] == ["bbbb", "aaaa"]
    (broken,) = store.unreadable()
    assert broken[0].id.endswith("cccc")
    assert broken[1] == f"Run {broken[0].id} has no status.json: it was not made by FewLab or is being deleted."


def test_an_empty_or_missing_folder_has_no_runs(tmp_path: Path) -> None:
    store = Store(tmp_path / "nowhere")
    assert store.runs() == []
    assert store.queue() == []
    assert not (tmp_path / "nowhere").exists()


def test_the_queue_is_served_in_the_order_of_asking_not_of_ids(store: Store) -> None:
    first, second, third = (store.create(plain()) for _ in range(3))
    first.update_status(order=30.0)
    second.update_status(order=10.0)
    third.update_status(order=20.0)
    ended(store, "finished")
    assert [run.id for run in store.queue()] == [second.id, third.id, first.id]


@pytest.mark.parametrize("state", ["stopped", "interrupted"])
def test_what_was_cut_off_can_be_queued_again_behind_the_others(store: Store, state: str) -> None:
    cut = ended(store, state, step=3)
    waiting = store.create(plain())
    store.requeue(cut.id, "asked for")
    assert [run.id for run in store.queue()] == [waiting.id, cut.id]
    assert (cut.status().reason, cut.status().step) == ("asked for", 3)
    assert [(e["event"], e["reason"]) for e in cut.events()] == [("resume", "asked for")]


REFUSED = [
    ("finished", "it is finished."),
    ("running", "it is running."),
    ("queued", "it is queued."),
    ("failed", "it failed: no memory"),
    ("paused", "it is paused in another FewLab: resume it there."),
]


@pytest.mark.parametrize(("state", "why"), REFUSED)
def test_what_cannot_go_on_is_refused(store: Store, state: str, why: str) -> None:
    folder = ended(store, state, reason="no memory")
    with pytest.raises(RunError) as refused:
        store.requeue(folder.id)
    assert str(refused.value) == f"Run {folder.id} cannot be resumed because {why}"
    assert folder.status().state == state


def test_a_run_can_be_renamed_without_moving(store: Store) -> None:
    folder = store.create(plain())
    assert store.run(folder.id).name == ""
    store.rename(folder.id, "../<b>mine</b>")
    assert store.run(folder.id).name == "../<b>mine</b>"
    assert RunConfig.parse(folder.config()).fingerprint() == RunConfig.parse({}).fingerprint()
    with pytest.raises(RunError) as refused:
        store.rename(folder.id, "n" * 201)
    assert str(refused.value) == "A name may have at most 200 characters, but this one has 201."


def test_a_run_has_a_note_and_tags_and_loses_them_without_changing_otherwise(store: Store) -> None:
    folder = store.create(plain())
    before = {path.name: path.read_bytes() for path in folder.path.iterdir()}
    assert store.run(folder.id).notes == ("", ())
    store.annotate(folder.id, "  two lines,\nthe second  ", [" lr", "baseline", "lr", ""])
    assert store.run(folder.id).notes == ("two lines,\nthe second", ("lr", "baseline"))
    assert json.loads((folder.path / "notes.json").read_text("utf-8"))["tags"] == ["lr", "baseline"]
    store.annotate(folder.id, "", ())
    assert store.run(folder.id).notes == ("", ())
    assert {name: (folder.path / name).read_bytes() for name in before} == before


@pytest.mark.parametrize(
    ("note", "tags", "sentence"),
    [
        ("n" * 501, [], "A note may have at most 500 characters, but this one has 501."),
        ("a\0b", [], "The note holds characters that are no text: type it again."),
        ("", [f"t{i}" for i in range(11)], "A run may have at most 10 tags, but these are 11."),
        ("", ["two words"], "'two words' is none."),
        ("", ["a,b"], "'a,b' is none."),
        ("", ["x" * 31], "A tag is one word of at most 30 characters"),
    ],
)
def test_a_note_or_tag_that_is_too_much_is_refused_and_the_old_ones_stay(
    store: Store, note: str, tags: list[str], sentence: str
) -> None:
    folder = store.create(plain())
    store.annotate(folder.id, "n" * 500, ["x" * 30])
    with pytest.raises(RunError) as refused:
        store.annotate(folder.id, note, tags)
    assert sentence in str(refused.value)
    assert store.run(folder.id).notes == ("n" * 500, ("x" * 30,))


def test_notes_that_cannot_be_written_leave_the_old_ones_whole(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = store.create(plain())
    store.annotate(folder.id, "old", ["kept"])

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        store.annotate(folder.id, "new", [])
    assert store.run(folder.id).notes == ("old", ("kept",))
    assert not [path for path in folder.path.iterdir() if path.suffix == ".tmp"]


@pytest.mark.parametrize("state", ["queued", "finished", "stopped", "failed", "interrupted"])
def test_a_run_that_does_not_train_can_be_deleted_with_everything_in_it(store: Store, state: str) -> None:
    folder = ended(store, state)
    folder.snapshots.mkdir()
    (folder.snapshots / "00000001.npz").write_bytes(b"x")
    store.delete(folder.id)
    assert store.runs() == []
    assert list(store.root.iterdir()) == []


def test_tables_of_predictions_go_with_their_run(store: Store) -> None:
    folder, other = ended(store, "finished"), ended(store, "finished")
    tables = [store.prediction_table(run.id, key) for run in (folder, other) for key in ("a", "b")]
    tables[0].parent.mkdir()
    for table in tables:
        table.write_text("file")
        table.with_name(f".{table.name}.lock").touch()
    store.delete(folder.id)
    left = sorted(path.name for path in tables[0].parent.iterdir())
    assert left == sorted(name for table in tables[2:] for name in (table.name, f".{table.name}.lock"))


@pytest.mark.parametrize("state", ["running", "paused"])
def test_a_run_that_trains_cannot_be_deleted(store: Store, state: str) -> None:
    folder = ended(store, state)
    with pytest.raises(RunError) as refused:
        store.delete(folder.id)
    assert str(refused.value) == f"Run {folder.id} is {state}: stop it before deleting it."
    assert folder.path.is_dir()


def test_a_run_with_a_damaged_status_can_be_deleted(store: Store) -> None:
    folder = store.create(plain())
    (folder.path / "status.json").write_text("{")
    store.delete(folder.id)
    assert not folder.path.exists()


def test_only_one_holds_the_lock_and_a_reader_needs_none(store: Store) -> None:
    from filelock import Timeout

    store.create(plain())
    with store.lock().acquire(timeout=0):
        with pytest.raises(Timeout):
            Store(store.root).lock().acquire(timeout=0)
        assert len(Store(store.root).runs()) == 1
    with Store(store.root).lock().acquire(timeout=0):
        pass


def test_a_config_on_disk_is_plain_json(store: Store) -> None:
    folder = store.create(plain(name="größer"))
    assert json.loads((folder.path / "config.json").read_text(encoding="utf-8")) == plain(name="größer")


def test_a_deletion_that_was_cut_off_is_finished_and_never_listed(store: Store) -> None:
    kept = store.create(plain())
    doomed = store.create(plain())
    doomed.path.rename(doomed.path.with_name(f".deleted-{doomed.id}"))
    assert [run.id for run in store.runs()] == [kept.id]
    store.sweep()
    assert sorted(path.name for path in store.root.iterdir()) == [kept.id]
