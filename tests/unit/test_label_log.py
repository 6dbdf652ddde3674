"""The log of labels: numbered, sent again without doubling, whole after a kill, and the same for two tabs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.data.labels.label_log import FILE, LabelLog
from engine.data.labels.label_records import Classes, Exclude, Given, HoldBack, Label, Labels, Rename, Skip
from engine.errors import LabelError

ROOT = Path(__file__).parents[2]


def label(image: str, of: str | None = "cat") -> Label:
    return Label(images=(image,), of=of)


@pytest.fixture
def log(tmp_path: Path) -> LabelLog:
    return LabelLog(tmp_path / "labels")


def test_a_log_without_a_file_is_empty_and_makes_none(log: LabelLog) -> None:
    assert log.labels() == Labels()
    assert not log.folder.exists()


def test_labels_are_there_for_who_opens_the_log_next(log: LabelLog) -> None:
    assert log.append("tab", 1, [Classes(classes=("cat", "dog")), label("a.jpg"), label("b.jpg", "dog")]) == 3
    read = LabelLog(log.folder).labels()
    assert read.classes == ("cat", "dog")
    assert read.given == {"a.jpg": Given("cat", "hand", 2), "b.jpg": Given("dog", "hand", 3)}
    assert read.counts() == {"cat": 1, "dog": 1}
    assert read.number == 3


def test_what_is_sent_again_is_not_written_twice(log: LabelLog) -> None:
    first = [label("a.jpg"), label("b.jpg")]
    assert log.append("tab", 1, first) == 2
    assert log.append("tab", 1, [*first, label("c.jpg")]) == 3
    assert log.append("tab", 2, [label("b.jpg"), label("c.jpg")]) == 3
    assert LabelLog(log.folder).append("tab", 1, first) == 3
    assert [json.loads(line)["number"] for line in (log.folder / FILE).read_text().splitlines()] == [1, 2, 3]


def test_a_number_behind_a_gap_is_not_taken(log: LabelLog) -> None:
    assert log.append("tab", 2, [label("b.jpg")]) == 0
    assert log.labels().given == {}
    log.append("tab", 1, [label("a.jpg")])
    assert log.append("tab", 3, [label("c.jpg")]) == 1


def test_two_tabs_count_for_themselves_and_overwrite_nothing(log: LabelLog) -> None:
    other = LabelLog(log.folder)
    log.append("one", 1, [label("a.jpg", "cat")])
    other.append("two", 1, [label("b.jpg", "dog")])
    log.append("one", 2, [label("c.jpg", "cat")])
    for each in (log, other, LabelLog(log.folder)):
        assert {image: given.of for image, given in each.labels().given.items()} == {
            "a.jpg": "cat",
            "b.jpg": "dog",
            "c.jpg": "cat",
        }


def test_many_processes_write_at_once_and_every_record_is_there_once(log: LabelLog) -> None:
    code = """
import sys
from pathlib import Path
from engine.data.labels.label_log import LabelLog
from engine.data.labels.label_records import Label
log, tab = LabelLog(Path(sys.argv[1])), sys.argv[2]
for k in range(1, 41):
    assert log.append(tab, k, [Label(images=(f"{tab}-{k}.jpg",), of="cat")]) == k
"""
    writers = [
        subprocess.Popen([sys.executable, "-c", code, str(log.folder), tab], cwd=ROOT)
        for tab in ("one", "two", "three")
    ]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    labels = log.labels()
    assert labels.number == 120
    assert set(labels.given) == {f"{tab}-{k}.jpg" for tab in ("one", "two", "three") for k in range(1, 41)}


@pytest.mark.parametrize("torn", [b'{"tab": "one", "number": 3, "do": "la', b'{"tab": "one"', b"\xff\xfe", b"{"])
def test_a_line_that_a_kill_left_half_is_dropped_and_the_next_one_is_whole(log: LabelLog, torn: bytes) -> None:
    log.append("one", 1, [label("a.jpg"), label("b.jpg")])
    with open(log.folder / FILE, "ab") as file:
        file.write(torn)
    again = LabelLog(log.folder)
    assert set(again.labels().given) == {"a.jpg", "b.jpg"}
    assert again.append("one", 3, [label("c.jpg")]) == 3
    assert set(LabelLog(log.folder).labels().given) == {"a.jpg", "b.jpg", "c.jpg"}


@pytest.mark.parametrize(
    "damaged",
    [
        "not json",
        "[1]",
        "{}",
        '{"tab": "t", "number": 1, "do": "erase"}',
        '{"tab": "t", "number": 1, "do": "label", "images": "a.jpg", "of": 3}',
        '{"tab": "t", "number": 1, "do": "label", "images": [], "of": "cat"}',
        '{"tab": "t", "number": "x", "do": "skip", "images": ["a"]}',
        "[" * 100_000,
    ],
)
def test_a_damaged_line_is_refused_by_its_number(log: LabelLog, damaged: str) -> None:
    log.append("one", 1, [label("a.jpg")])
    with open(log.folder / FILE, "a") as file:
        file.write(damaged + "\n")
    with pytest.raises(LabelError, match=r"^Line 2 of .*labels.jsonl is no record of labels"):
        LabelLog(log.folder).labels()
    with pytest.raises(LabelError, match=r"^Line 2 of"):
        log.append("one", 2, [label("b.jpg")])


def test_a_full_disk_loses_nothing_that_was_acknowledged(log: LabelLog, monkeypatch: pytest.MonkeyPatch) -> None:
    log.append("one", 1, [label("a.jpg")])

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(LabelError, match=r"could not be written .*No space left.*free some disk space"):
            log.append("one", 2, [label("b.jpg")])
    assert set(LabelLog(log.folder).labels().given) == {"a.jpg"}
    assert log.append("one", 2, [label("b.jpg")]) == 2


def test_what_was_said_after_so_many_records(log: LabelLog) -> None:
    log.append("one", 1, [label("a.jpg"), label("b.jpg"), label("a.jpg", None)])
    assert set(log.labels_at(2).given) == {"a.jpg", "b.jpg"}
    assert set(log.labels_at(3).given) == {"b.jpg"}
    assert log.labels_at(0) == Labels()
    with pytest.raises(LabelError, match="holds 3 records, but 4 were there"):
        log.labels_at(4)


def test_classes_are_ordered_renamed_merged_and_dropped() -> None:
    labels = Labels()
    for record in (label("a", "cat"), label("b", "dog"), label("c", "cow"), Classes(classes=("dog", "cat", "cow"))):
        labels.apply(record)
    assert list(labels.classes) == ["dog", "cat", "cow"]
    labels.apply(Rename(of="cat", to="kitten"))
    renamed = labels.copy()
    assert (list(renamed.classes), renamed.given["a"].of) == (["dog", "kitten", "cow"], "kitten")
    labels.apply(Rename(of="kitten", to="dog"))
    assert (labels.classes, labels.counts()) == (("dog", "cow"), {"dog": 2, "cow": 1})
    labels.apply(Classes(classes=("dog",)))
    assert set(labels.given) == {"a", "b"}


def test_an_image_is_labeled_or_excluded_and_not_both() -> None:
    labels = Labels()
    labels.apply(label("a"))
    labels.apply(Exclude(images=("a",)))
    assert (labels.given, labels.excluded) == ({}, {"a": "none of these"})
    labels.apply(label("a"))
    assert (set(labels.given), labels.excluded) == ({"a"}, {})
    labels.apply(Exclude(images=("a", "b"), why="a copy of c"))
    labels.apply(Exclude(images=("a",), undo=True))
    assert (labels.given, labels.excluded) == ({}, {"b": "a copy of c"})


def test_a_skipped_image_and_the_test_set_are_remembered(log: LabelLog) -> None:
    log.append("one", 1, [Skip(images=("a",)), HoldBack(images=("b", "c", "b"))])
    assert (log.labels().skipped, log.labels().held_back) == ({"a"}, ("b", "c"))
