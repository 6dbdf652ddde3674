"""The log of labels that people give: one JSON object a line, numbered, appended and flushed to the disk before it is
acknowledged.

Each tab numbers what it sends, and may send it again: what is in the log already is not written twice. What two tabs
send at once stands one behind the other, so neither overwrites what the other did.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

from filelock import FileLock, Timeout

from engine.data.labels.label_records import Labels, Record, read_record
from engine.errors import LabelError
from engine.finite_json import finite_json
from engine.plain_file import open_plain_file
from engine.runs.atomic_write import sync_folder

_PATIENCE = 10.0  # seconds for which another process may be writing
_MOST_BYTES = 1 << 30
FILE = "labels.jsonl"


class LabelLog:
    """The log in a folder of its own, which is made with the first record. Safe between threads and processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file = folder / FILE
        self._lock = threading.Lock()
        self._labels = Labels()
        self._last_of: dict[str, int] = {}  # the highest number of each tab that is in the log
        self._read_to = 0

    def labels(self) -> Labels:
        """What the log says now. Not to be changed. Raises LabelError if it cannot be read."""
        with self._lock:
            self._read_on()
            return self._labels.copy()

    def labels_at(self, number: int) -> Labels:
        """What the log said with its first `number` records. Raises LabelError if it has fewer."""
        labels = Labels()
        for _, _, record in _records(self._content(0)[0], self._file):
            if labels.number == number:
                break
            labels.apply(record)
        if labels.number < number:
            raise LabelError(
                f"{self._file} holds {labels.number:,} records, but {number:,} were there when the run was started:"
                " put the file back as it was."
            )
        return labels

    def append(self, tab: str, first: int, records: Sequence[Record]) -> int:
        """Write the records that tab sends as its numbers first, first + 1, ...; returns the highest number of the tab
        that is on the disk. A number behind a gap is not taken: the tab sends the missing ones first.

        Raises LabelError if nothing could be written.
        """
        with self._lock:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                with FileLock(self.folder / ".lock", timeout=_PATIENCE):
                    self._read_on()
                    last = self._last_of.get(tab, 0)
                    new = list(records[max(0, last + 1 - first) :]) if first <= last + 1 else []
                    if new:
                        self._write(tab, last + 1, new)
                        self._read_on()
                    return self._last_of.get(tab, 0)
            except Timeout:
                raise LabelError(
                    f"Another FewLab has been writing to {self._file} for {_PATIENCE:.0f} s: the labels are sent again"
                    " in a moment."
                ) from None
            except OSError as error:
                raise LabelError(
                    f"The labels could not be written to {self._file} ({error.strerror or type(error).__name__}): free"
                    " some disk space, or check the folder's permissions; they are sent again in a moment."
                ) from None

    def _write(self, tab: str, first: int, records: list[Record]) -> None:
        now = round(time.time(), 3)
        lines = [
            finite_json({"tab": tab, "number": first + k, "time": now, **record.model_dump(mode="json")}) + "\n"
            for k, record in enumerate(records)
        ]
        is_new = not self._file.exists()
        with open(self._file, "a+b") as file:
            # What a kill or a full disk left half written was never acknowledged.
            _cut_torn_line(file)
            whole = file.tell()
            try:
                file.write("".join(lines).encode())
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                file.truncate(whole)
                raise
        if is_new:
            sync_folder(self.folder)

    def _read_on(self) -> None:
        data, size = self._content(self._read_to)
        if size < self._read_to:  # put back from a copy
            self._labels, self._last_of, self._read_to = Labels(), {}, 0
            data, size = self._content(0)
        whole = data[: data.rfind(b"\n") + 1]
        for tab, number, record in _records(whole, self._file, self._labels.number):
            self._labels.apply(record)
            self._last_of[tab] = max(number, self._last_of.get(tab, 0))
        self._read_to += len(whole)

    def _content(self, start: int) -> tuple[bytes, int]:
        """The file from a place on, and its size; nothing where there is no file."""
        try:
            with open_plain_file(self._file) as file:
                size = os.fstat(file.fileno()).st_size
                if size > _MOST_BYTES:
                    raise LabelError(f"{self._file} has {size / 1e9:.1f} GB, which is no log of labels.")
                file.seek(min(start, size))
                return file.read(), size
        except FileNotFoundError:
            return b"", 0
        except OSError as error:
            raise LabelError(
                f"The labels in {self._file} cannot be read ({error.strerror or type(error).__name__}): check the"
                " file's permissions."
            ) from None


def _records(data: bytes, file: Path, before: int = 0) -> list[tuple[str, int, Record]]:
    """Tab, its number and the record of each whole line. A damaged one is refused: labels behind it would be silently
    other ones.
    """
    found = []
    for k, line in enumerate(data[: data.rfind(b"\n") + 1].split(b"\n")[:-1], before + 1):
        try:
            value: dict[str, Any] = json.loads(line)
            tab, number, _ = str(value.pop("tab")), int(value.pop("number")), value.pop("time", None)
            found.append((tab, number, read_record(value)))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise LabelError(
                f"Line {k:,} of {file} is no record of labels ({type(error).__name__}): remove the line, or put the"
                " file back as it was."
            ) from None
    return found


def _cut_torn_line(file: BinaryIO) -> None:
    """The file's position is its end afterwards."""
    end = file.seek(0, os.SEEK_END)
    place = end
    while place > 0:
        start = max(0, place - 65_536)
        file.seek(start)
        last = file.read(place - start).rfind(b"\n")
        if last >= 0:
            place = start + last + 1
            break
        place = start
    if place < end:
        file.truncate(place)
    file.seek(0, os.SEEK_END)
