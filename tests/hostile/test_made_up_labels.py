"""Tables and exports that somebody made up: whatever they hold, they are read, or left out with a reason."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.data.importing.file_index import FileIndex
from engine.data.importing.label_files import read_label_file
from engine.data.importing.label_table import NoTable, read_table

NAMES = ["a/1.png", "a/2.png", "b/1.png", "x y.jpg", "ünïcode.png"]
INDEX = FileIndex(NAMES, range(len(NAMES)))
WORDS = ["1", "cat", "dog", "cat;dog", "", "0", "1.5", "=1+1", '"', "../../x.png", "train", "\ufeff"]
CELLS = st.sampled_from([*NAMES, *WORDS])
# Words that the readers look for, where they do not expect them.
_TOOLS = "images annotations categories id image_id category_id file_name name samples filepath labels classes label"
KEYS = f"{_TOOLS} data image result type value choices choice tags _cls x".split()
PLAIN = st.sampled_from([*NAMES, "cat", "choices", "Classification", "train"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 5) | PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
    max_leaves=25,
)


def table(data: bytes) -> None:
    try:
        read = read_table("labels.csv", data, INDEX)
    except NoTable:
        return
    for column in read.labels:
        labels = read.given(column, INDEX)
        assert set(labels.labels) <= set(range(len(NAMES)))


def export(name: str, data: bytes) -> None:
    try:
        _, labels = read_label_file(name, data, INDEX)
    except NoTable:
        return
    assert set(labels.labels) <= set(range(len(NAMES)))
    for label in (one for some in labels.labels.values() for one in some):
        assert label.encode().decode() == label != ""


@given(st.binary(max_size=300))
def test_any_bytes_are_a_table_or_none(data: bytes) -> None:
    table(data)
    table(b"1.png,cat\n2.png,dog\n" + data)


@given(st.lists(st.lists(CELLS, min_size=1, max_size=4), max_size=12), st.sampled_from([",", ";", "\t", "|", " "]))
def test_any_cells_are_a_table_or_none(rows: list[list[str]], separator: str) -> None:
    table("\n".join(separator.join(row) for row in rows).encode())


@settings(max_examples=400)
@given(VALUES, st.sampled_from([None, "images", "samples", "labels", "list"]))
@example([{"data": {}}], None)
@example([{"data": {"image": "1.png"}, "annotations": [{"result": [{"type": "choices", "value": 3}]}]}], None)
@example({"images": [{"id": [], "file_name": "1.png"}], "annotations": [], "categories": []}, None)
@example({"labels": {"1.png": 7}, "classes": ["cat"]}, None)
@example({"labels": {"1.png": -9}, "classes": ["cat"]}, None)
def test_any_json_is_an_export_or_none(value: Any, kind: str | None) -> None:
    tools: dict[str, Any] = {
        "images": {"images": value, "annotations": value, "categories": value},
        "samples": {"samples": value},
        "labels": {"labels": value, "classes": value},
        "list": [{"data": value, "annotations": value}, {"image": value, "choice": value}],
    }
    export("a.json", json.dumps(value if kind is None else tools[kind]).encode())


@given(st.binary(max_size=200), st.sampled_from([b"", b"<annotations><image name='1.png'>"]))
def test_any_bytes_are_an_export_or_none(data: bytes, before: bytes) -> None:
    export("a.json", data)
    export("a.xml", before + data)


@pytest.mark.parametrize("value", [float("nan"), 1e400, "\ud800"])
def test_what_json_should_not_hold_is_read_or_left_out(value: Any) -> None:
    export("a.json", json.dumps({"labels": {"1.png": value, "2.png": "cat"}}).encode())
