"""JSON lines that are only ever appended to; a line torn by a kill is dropped on reading."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from engine.finite_json import finite_json

Row = dict[str, Any]


def append(path: Path, row: Row) -> None:
    """Add one object as one line. A torn line left by a kill is closed first, so that it cannot swallow this one."""
    line = (finite_json(row) + "\n").encode()
    with open(path, "a+b") as file:
        if file.tell() > 0:
            file.seek(-1, 2)
            if file.read(1) != b"\n":
                line = b"\n" + line
        file.write(line)


def read(path: Path) -> list[Row]:
    """All whole lines, oldest first; [] if there is no file."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    return _rows(data)


def read_steps(path: Path) -> list[Row]:
    """Lines with a `step`, one per step in rising order: of a step that a resumed run wrote twice the parts are merged,
    the last word wins.
    """
    merged: dict[int, Row] = {}
    for row in read(path):
        if isinstance(row.get("step"), int):
            merged[row["step"]] = {**merged.get(row["step"], {}), **row}
    return [merged[step] for step in sorted(merged)]


def _rows(data: bytes) -> list[Row]:
    rows = []
    for line in data.split(b"\n"):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(row, dict):
            rows.append(row)
    return rows
