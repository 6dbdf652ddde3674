"""Journals: whole lines survive whatever happened to the last one, and the last word on a step wins."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.runs import journal
from engine.runs.contents import read_json

ROWS: list[dict[str, Any]] = [{"step": 1, "loss": 0.5}, {"step": 2, "loss": 0.25}, {"step": 3, "name": "größer – 0 τ"}]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "metrics.jsonl"


def test_what_is_appended_is_read_in_order(file: Path) -> None:
    for row in ROWS:
        journal.append(file, row)
    assert journal.read(file) == ROWS


def test_no_file_is_an_empty_journal(file: Path) -> None:
    assert journal.read(file) == []
    assert journal.read_steps(file) == []


def whole_and_torn() -> tuple[bytes, list[int]]:
    import json

    lines = [(json.dumps(row, ensure_ascii=False) + "\n").encode() for row in ROWS]
    ends, place = [], 0
    for line in lines:
        place += len(line)
        ends.append(place)
    return b"".join(lines), ends


DATA, ENDS = whole_and_torn()


@pytest.mark.parametrize("length", range(len(DATA) + 1))
def test_a_journal_torn_at_any_byte_keeps_its_whole_lines_and_goes_on(file: Path, length: int) -> None:
    file.write_bytes(DATA[:length])
    # A line is whole once its last brace is there.
    kept = [row for row, end in zip(ROWS, ENDS, strict=True) if end - 1 <= length]
    assert journal.read(file) == kept
    journal.append(file, {"step": 9})
    assert journal.read(file) == [*kept, {"step": 9}]


def test_the_last_word_on_a_step_wins_and_other_parts_stay(file: Path) -> None:
    for row in (
        {"step": 10, "loss": 1},
        {"step": 20, "loss": 2},
        {"step": 20, "accuracy": 0.5},
        {"step": 10, "loss": 3},
        {"step": 15, "loss": 4},
    ):
        journal.append(file, row)
    assert journal.read_steps(file) == [
        {"step": 10, "loss": 3},
        {"step": 15, "loss": 4},
        {"step": 20, "loss": 2, "accuracy": 0.5},
    ]


def test_a_number_that_is_none_is_written_as_none(file: Path) -> None:
    journal.append(file, {"step": 1, "nan": float("nan"), "infinite": float("-inf"), "loss": 0.5})
    assert journal.read(file) == [{"step": 1, "nan": None, "infinite": None, "loss": 0.5}]
    assert b"NaN" not in file.read_bytes()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=40), max_size=6))
def test_foreign_lines_are_passed_over(file: Path, rubbish: list[bytes]) -> None:
    lines = [line for line in rubbish if b"{" not in line]
    file.write_bytes(b"".join(line.replace(b"\n", b"") + b"\n" for line in lines) + DATA)
    assert journal.read(file) == ROWS


def test_a_line_nested_without_end_is_passed_over(file: Path) -> None:
    file.write_bytes(b'{"a":' * 200_000 + b"\n" + DATA)
    assert journal.read(file) == ROWS


def test_lines_that_are_no_steps_are_no_metrics(file: Path) -> None:
    file.write_bytes(b'[1, 2]\n5\nnull\n"text"\n{"loss": 1}\n{"step": "3"}\n{"step": 2.5}\n' + DATA)
    assert journal.read_steps(file) == ROWS


def test_of_a_long_journal_the_end_is_read_and_then_only_what_was_added(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "MOST_BYTES", 10_000)
    file.write_bytes(b"".join(b'{"step": %d}\n' % step for step in range(5_000)))
    read = [row["step"] for row in journal.read(file)]
    assert read == list(range(read[0], 5_000))
    assert 500 < len(read) < 1_000
    parsed: list[bytes] = []

    def noted(line: bytes) -> Any:
        parsed.append(line)
        return read_json(line)

    monkeypatch.setattr(journal, "read_json", noted)
    assert len(journal.read(file)) == len(read)
    assert parsed == []
    journal.append(file, {"step": 5_000})
    assert [row["step"] for row in journal.read(file)] == [*read, 5_000]
    assert parsed == [b'{"step": 5000}']
    for step in range(5_001, 6_500):  # as long again: what is in memory stays bounded
        journal.append(file, {"step": step})
    assert len(journal.read(file)) < 2_000


def test_a_journal_that_was_rewritten_is_read_anew(file: Path) -> None:
    contents = (
        b'{"step": 1}\n{"step": 2}\n',
        b'{"step": 3}\n{"step": 4}\n',
        b'{"step": 5}\n',
        b'{"step": 9, "a": 1}\n' * 9,
    )
    for number, content in enumerate(contents):
        file.write_bytes(content)
        os.utime(file, ns=(1, number))  # the clock of some disks is coarse
        assert journal.read(file) == [json.loads(line) for line in content.splitlines()]
