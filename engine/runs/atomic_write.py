"""Files written whole: a reader sees the old content or the new, never half of it, even across a power cut."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from engine.finite_json import finite_json
from engine.plain_file import read_plain_file

T = TypeVar("T")
_ABANDONED = 60.0  # seconds: writing takes less than one, so what is older belongs to a process that was killed


def write_bytes(path: Path, data: bytes) -> None:
    """Write through a temporary file beside `path`, flushed to disk, then renamed over it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{time.monotonic_ns()}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        replace_file(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def write_json(path: Path, value: Any) -> None:
    write_bytes(path, (finite_json(value, indent=1) + "\n").encode())


def is_abandoned(temporary: Path) -> bool:
    """Whether a temporary file or folder was left by a process that is gone."""
    try:
        return time.time() - temporary.stat().st_mtime > _ABANDONED
    except OSError:  # just renamed or removed
        return False


def sync_folder(folder: Path) -> None:
    """Make a rename durable. Windows cannot open folders, and some network file systems cannot flush them: there the
    rename alone must do.
    """
    if os.name == "nt":
        return
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)


def replace_file(source: Path, target: Path) -> None:
    """Rename over `target`, also a folder to a free name. On Windows, whoever has one of them open makes that fail for
    a moment: it is tried again.
    """
    _patiently(lambda: os.replace(source, target))


def read_bytes(path: Path, limit: int) -> bytes:
    """The whole file; on Windows, tried again while it is just being renamed. Raises OSError, also for what is no plain
    file or has more than `limit` bytes.
    """
    return _patiently(lambda: read_plain_file(path, limit))


def _patiently(act: Callable[[], T]) -> T:
    for attempt in range(19):
        try:
            return act()
        except PermissionError:
            if os.name != "nt":
                raise
            time.sleep(0.01 * (attempt + 1))
    return act()
