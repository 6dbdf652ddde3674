"""Run folders that were cut off, overwritten, swapped or prepared by a stranger: one clear sentence or a right answer,
never another exception.

Nothing here may run code that a file brings along: a pickle that would write a file is part of the attack.
"""

from __future__ import annotations

import errno
import io
import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.config.run_config import RunConfig
from engine.lab.executors.inline import resume
from engine.runs.folder import RunFolder
from engine.runs.store import Store
from engine.training import checkpoint
from engine.training.commands import Command
from engine.training.trainer import Trainer
from tests.hostile.attacks import GARBAGE, Attack, flipped, sentence
from tests.integration.trainer_process import At

CHANGED = (
    "The settings or the data of this run have changed since its checkpoint was written: start a new run instead of"
    " resuming it."
)


@pytest.fixture(scope="module")
def half_way(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    config = RunConfig.parse(
        {
            "method": "supervised",
            "budget": {"steps": 20, "batch_size": 8, "evaluate_every": 10},
            "hardware": {"device": "cpu", "threads": 1},
        }
    )
    folder = Store(tmp_path_factory.mktemp("half way")).create(config.model_dump(mode="json"))
    Trainer(folder, At(10, Command("interrupt"))).run()
    return folder


@pytest.fixture
def cut(half_way: RunFolder, tmp_path: Path) -> RunFolder:
    """An interrupted run of its own, to be damaged."""
    shutil.copytree(half_way.path, tmp_path / "checkpoints" / half_way.id)
    return RunFolder(tmp_path / "checkpoints" / half_way.id)


# checkpoint.pt


def saved(state: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


CHECKPOINTS: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda whole: b"",
    "cut off": lambda whole: whole[: len(whole) // 3],
    "without its end": lambda whole: whole[:-10],
    "one byte wrong": flipped,
    "garbage": lambda whole: GARBAGE,
    "text": lambda whole: b"hello",
    "an empty zip": lambda whole: b"PK\x05\x06" + bytes(18),
    "another program's": lambda whole: saved({"state_dict": {"weight": torch.zeros(3)}}),
    "a bare tensor": lambda whole: saved(torch.zeros(3)),
    "a list": lambda whole: saved([1, 2, 3]),
    "a version and nothing else": lambda whole: saved({"version": 1}),
    "a version in words": lambda whole: saved({"version": "one"}),
}


@pytest.mark.parametrize("damage", CHECKPOINTS.values(), ids=list(CHECKPOINTS))
def test_a_checkpoint_that_cannot_be_read_is_one_sentence_and_never_a_fresh_start(
    cut: RunFolder, damage: Callable[[bytes], bytes]
) -> None:
    cut.checkpoint_file.write_bytes(damage(cut.checkpoint_file.read_bytes()))
    text = sentence(lambda: resume(cut.id, cut.path.parent))
    assert text.startswith(f"Run {cut.id} cannot be resumed: checkpoint.pt is ")
    assert text.endswith(" Start it again with the same settings.")
    assert (cut.status().state, cut.status().reason) == ("interrupted", text)


@pytest.mark.parametrize("damage", CHECKPOINTS.values(), ids=list(CHECKPOINTS))
def test_behind_any_damaged_checkpoint_the_previous_one_is_used(
    cut: RunFolder, damage: Callable[[bytes], bytes]
) -> None:
    whole = cut.checkpoint_file.read_bytes()
    cut.previous_checkpoint_file.write_bytes(whole)
    cut.checkpoint_file.write_bytes(damage(whole))
    state = checkpoint.load(cut)
    assert state is not None
    assert state["step"] == 10


def test_a_pickle_in_place_of_a_checkpoint_is_not_executed(cut: RunFolder, trace: Path) -> None:
    cut.checkpoint_file.write_bytes(pickle.dumps(Attack(trace)))
    assert "checkpoint.pt is damaged" in sentence(lambda: resume(cut.id, cut.path.parent))
    cut.update_status(state="interrupted")
    cut.checkpoint_file.write_bytes(saved({"version": 1, "step": Attack(trace)}))
    assert "checkpoint.pt is damaged" in sentence(lambda: resume(cut.id, cut.path.parent))
    assert not trace.exists()


def test_a_newer_checkpoint_asks_for_an_update_and_can_be_resumed_after_it(
    cut: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = checkpoint.load(cut)
    assert state is not None
    cut.checkpoint_file.write_bytes(saved({**state, "version": 2}))
    text = sentence(lambda: resume(cut.id, cut.path.parent))
    assert "checkpoint.pt was written in format 2 and this FewLab reads up to 1: update FewLab to resume it." in text
    monkeypatch.setattr(checkpoint, "VERSION", 2)
    assert resume(cut.id, cut.path.parent).status.state == "finished"


def test_a_checkpoint_of_another_run_is_refused(cut: RunFolder, run: RunFolder) -> None:
    shutil.copy(run.checkpoint_file, cut.checkpoint_file)
    assert sentence(lambda: resume(cut.id, cut.path.parent)) == CHANGED


def test_settings_changed_by_hand_are_not_resumed_until_they_are_changed_back(cut: RunFolder) -> None:
    before = cut.config()
    cut.write_config({**before, "seed": 1})
    assert sentence(lambda: resume(cut.id, cut.path.parent)) == CHANGED
    assert cut.status().state == "interrupted"
    cut.write_config(before)
    assert resume(cut.id, cut.path.parent).status.state == "finished"


@pytest.mark.parametrize("begun", [True, False], ids=["with a checkpoint", "without one"])
def test_a_run_without_memory_can_go_on_if_it_had_got_anywhere(
    cut: RunFolder, monkeypatch: pytest.MonkeyPatch, begun: bool
) -> None:
    if not begun:
        cut.checkpoint_file.unlink()

    def no_memory(self: Trainer) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_step_once", no_memory)
        text = sentence(lambda: resume(cut.id, cut.path.parent))
    assert text.startswith(
        "There was not enough memory for this run: make the batch, the unlabeled ratio or the network smaller"
    )
    assert cut.status().state == ("interrupted" if begun else "failed")


def test_a_file_that_may_not_be_opened_is_not_called_broken(cut: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: Path, limit: int) -> bytes:  # to the superuser no file is closed
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr("engine.runs.folder.read_bytes", refused)
    assert (
        sentence(cut.status)
        == f"status.json of run {cut.id} cannot be opened (Permission denied): check its permissions, or close what"
        " holds it open."
    )


@pytest.mark.parametrize("part", ["method", "average", "optimizer", "watch", "step", "seconds"])
@pytest.mark.parametrize(
    "value", [None, {}, {"weight": torch.zeros(2)}, "text"], ids=["nothing", "empty", "foreign", "text"]
)
def test_a_checkpoint_with_a_foreign_part_is_one_sentence(cut: RunFolder, part: str, value: Any) -> None:
    state = checkpoint.load(cut)
    assert state is not None
    cut.checkpoint_file.write_bytes(saved({**state, part: value}))
    text = sentence(lambda: resume(cut.id, cut.path.parent))
    assert text.startswith(f"The checkpoint of run {cut.id} does not fit its settings (")


# config.json, status.json, events.jsonl, metrics.jsonl

JSONS: dict[str, bytes | None] = {
    "missing": None,
    "empty": b"",
    "cut off": b'{"state": "inter',
    "garbage": GARBAGE,
    "a list": b"[]",
    "a number": b"5",
    "not unicode": b'{"state": "\xff\xfe"}',
    "nested without end": b'{"a":' * 100_000,
    "a number without end": b'{"step": ' + b"9" * 10_000 + b"}",
}


@pytest.mark.parametrize("content", JSONS.values(), ids=list(JSONS))
@pytest.mark.parametrize("name", ["config.json", "status.json"])
def test_a_run_with_a_broken_file_is_listed_apart_and_opens_with_one_sentence(
    run: RunFolder, name: str, content: bytes | None
) -> None:
    (run.path / name).unlink() if content is None else (run.path / name).write_bytes(content)
    store = Store(run.path.parent)
    text = sentence(lambda: store.run(run.id))
    assert run.id in text
    assert store.runs() == []
    assert store.queue() == []
    assert [(folder.id, reason) for folder, reason in store.unreadable()] == [(run.id, text)]


@pytest.mark.parametrize(
    "status",
    [
        {},
        {"state": 5},
        {"state": []},
        {"state": "dead"},
        {"state": "queued", "order": "z"},
        {"state": "running", "step": None},
        {"state": "finished", "metrics": {"test/accuracy": "high"}},
        {"state": "finished", "reason": {}},
    ],
    ids=str,
)
def test_a_status_of_wrong_types_does_not_bring_the_queue_down(run: RunFolder, status: dict[str, Any]) -> None:
    store = Store(run.path.parent)
    waiting = store.create(RunConfig.parse({}).model_dump(mode="json"))
    (run.path / "status.json").write_text(json.dumps(status))
    assert (
        sentence(run.status)
        == f"The status of run {run.id} is not readable: delete the run or restore its status.json."
    )
    assert [queued.id for queued in store.queue()] == [waiting.id]


@pytest.mark.parametrize("version", [2, 99, "1", None, [1]])
def test_a_status_of_another_format_asks_for_an_update(run: RunFolder, version: Any) -> None:
    (run.path / "status.json").write_text(json.dumps({"state": "finished", "version": version}))
    assert (
        sentence(run.status)
        == f"Run {run.id} was written in format {version} and this FewLab reads up to 1: update FewLab to open it."
    )


def test_a_config_that_this_version_does_not_know_is_one_sentence_on_resume(cut: RunFolder) -> None:
    cut.write_config({**cut.config(), "method": {"name": "telepathy"}})
    assert sentence(lambda: resume(cut.id, cut.path.parent)).startswith("There is no method named 'telepathy': ")


def test_garbage_in_the_journals_is_passed_over(cut: RunFolder) -> None:
    rows, events = cut.metrics(), len(cut.events())
    for file in (cut.metrics_file, cut.events_file):
        lines = file.read_bytes()
        file.write_bytes(GARBAGE.replace(b"\n", b"") + b"\n" + b"[" * 100_000 + b"\n" + lines + b'{"step": 99, "loss')
    assert cut.metrics() == rows
    assert len(cut.events()) == events
    assert resume(cut.id, cut.path.parent).status.state == "finished"


@pytest.mark.parametrize(
    "event",
    [
        {"event": "change"},
        {"event": "change", "step": "12", "key": "method.threshold", "value": 1},
        {"event": "change", "step": 12},
        {"event": ["start"]},
        {"event": "start", "machine": 5},
        {"step": 1},
    ],
    ids=str,
)
def test_events_of_wrong_shape_are_passed_over(cut: RunFolder, event: dict[str, Any]) -> None:
    with open(cut.events_file, "a", encoding="utf-8") as file:
        file.write(json.dumps(event) + "\n")
    assert resume(cut.id, cut.path.parent).status.state == "finished"


@pytest.mark.parametrize(
    "machine",
    [
        {"device": "cpu", "color": "blue"},
        {"device": "cpu", "precision": "float32", "threads": "all", "channels_last": True, "torch_version": "2"},
        {"device": "cpu", "precision": "float32", "threads": 10**6, "channels_last": True, "torch_version": "2"},
        {"device": ["cpu"], "precision": "float32", "threads": 1, "channels_last": True, "torch_version": "2"},
    ],
    ids=["other facts", "threads in words", "threads without end", "a list of devices"],
)
def test_a_start_event_that_does_not_say_where_it_was_trained_is_one_sentence(
    cut: RunFolder, machine: dict[str, Any]
) -> None:
    cut.events_file.write_text(json.dumps({"event": "start", "step": 0, "machine": machine}) + "\n")
    text = sentence(lambda: resume(cut.id, cut.path.parent))
    assert (
        text
        == f"events.jsonl of run {cut.id} does not say what it was trained on: restore the file, or start the run again"
        " with the same settings."
    )


def test_a_change_that_was_never_allowed_is_one_sentence(cut: RunFolder) -> None:
    cut.add_event("change", 12, key="optimizer.lr", value="fast")
    assert (
        sentence(lambda: resume(cut.id, cut.path.parent))
        == "optimizer.lr is 'fast': input should be a valid number, unable to parse string as a number."
    )
