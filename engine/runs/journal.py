"""JSON lines that are only ever appended to; a line torn by a kill is dropped on reading."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.finite_json import finite_json
from engine.plain_file import open_plain_file
from engine.runs.contents import read_json

Row = dict[str, Any]
# What is read of a journal at most: of a longer one the end. A run of 500 steps writes a tenth of a megabyte.
MOST_BYTES = 16 << 20
_KEPT_BYTES = 4 * MOST_BYTES  # of the files whose rows stay in memory
_LONGEST_LINE = 1 << 20
_MOST_NAMES = 300  # of different numbers in the rows of one journal: each is a curve
_SEEN = 64  # bytes before the place that was read to, by which a rewritten file is noticed


def append(path: Path, row: Row) -> None:
    """Add one object as one line. A torn line left by a kill is closed first, so that it cannot swallow this one."""
    line = (finite_json(row) + "\n").encode()
    with open(path, "a+b") as file:
        if file.tell() > 0:
            file.seek(-1, 2)
            if file.read(1) != b"\n":
                line = b"\n" + line
        file.write(line)


def read(path: Path, valid: Callable[[Row], Row | None] = lambda row: row) -> list[Row]:
    """All whole lines that `valid` lets through, as it returns them, oldest first; [] if there is no file to be
    read.
    """
    return _reader(path, valid).rows()


def read_steps(path: Path, valid: Callable[[Row], Row | None] = lambda row: row) -> list[Row]:
    """Lines with a `step`, one per step in rising order: of a step that a resumed run wrote twice the parts are merged,
    the last word wins.
    """
    merged: dict[int, Row] = {}
    for row in read(path, valid):
        if isinstance(row.get("step"), int):
            merged[row["step"]] = {**merged.get(row["step"], {}), **row}
    return [merged[step] for step in sorted(merged)]


class _Reader:
    """The rows of one file, read on from where the last look ended as long as the file has only grown."""

    def __init__(self, path: Path, valid: Callable[[Row], Row | None]) -> None:
        self._path, self._valid = path, valid
        self._lock = threading.Lock()
        self._forget()

    @property
    def held(self) -> int:
        """Bytes of the file whose rows are in memory."""
        return self._end - self._begin

    def rows(self) -> list[Row]:
        with self._lock:
            try:
                with open_plain_file(self._path) as file:
                    return self._read_on(file)
            except OSError:
                self._forget()
                return []

    def _forget(self) -> None:
        self._file: tuple[int, int] | None = None
        self._begin = self._end = 0  # where the rows in memory begin and end in the file
        self._seen = b""
        self._changed = (0, 0)
        self._rows: list[Row] = []
        self._last: list[Row] = []
        self._names = {"step", "event"}

    def _read_on(self, file: Any) -> list[Row]:
        about = os.fstat(file.fileno())
        changed = (about.st_size, about.st_mtime_ns)
        if self._file == (about.st_dev, about.st_ino) and changed == self._changed:
            return self._rows + self._last
        if self._file != (about.st_dev, about.st_ino) or not self._only_grew(file, about.st_size):
            self._forget()
        if about.st_size - self._begin > 2 * MOST_BYTES or (self._end == 0 and about.st_size > MOST_BYTES):
            self._forget()
            self._begin = self._end = about.st_size - MOST_BYTES
        self._file, self._changed = (about.st_dev, about.st_ino), changed
        file.seek(self._end)
        data = file.read(about.st_size - self._end)
        whole = data.rfind(b"\n") + 1
        self._rows += self._parsed(data[:whole])
        self._end += whole
        # Without its end a line may still be whole; it is read again with what comes behind it.
        self._last = self._parsed(data[whole:])
        if whole:
            self._seen = data[max(0, whole - _SEEN) : whole]
        return self._rows + self._last

    def _only_grew(self, file: Any, size: int) -> bool:
        if size < self._end or size == self._changed[0]:
            return False
        file.seek(self._end - len(self._seen))
        return bool(file.read(len(self._seen)) == self._seen)

    def _parsed(self, data: bytes) -> list[Row]:
        rows = []
        for line in data.split(b"\n"):
            if not line.strip() or len(line) > _LONGEST_LINE:
                continue
            try:
                row = read_json(line)
            except (ValueError, RecursionError):
                continue
            row = self._valid(row) if isinstance(row, dict) else None
            if row is not None:
                rows.append(self._named(row))
        return rows

    def _named(self, row: Row) -> Row:
        new = row.keys() - self._names
        if not new:
            return row
        room = _MOST_NAMES - len(self._names)
        self._names.update(sorted(new)[:room])
        return row if len(new) <= room else {name: value for name, value in row.items() if name in self._names}


_readers: OrderedDict[tuple[Path, Callable[[Row], Row | None]], _Reader] = OrderedDict()
_readers_lock = threading.Lock()


def _reader(path: Path, valid: Callable[[Row], Row | None]) -> _Reader:
    with _readers_lock:
        reader = _readers.setdefault((path, valid), _Reader(path, valid))
        _readers.move_to_end((path, valid))
        while len(_readers) > 1 and (len(_readers) > 256 or sum(one.held for one in _readers.values()) > _KEPT_BYTES):
            _readers.popitem(last=False)
    return reader
