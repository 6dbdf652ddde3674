"""Files written whole: a reader sees the old content or the new, never half of it, even across a power cut."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any


def write_bytes(path: Path, data: bytes) -> None:
    """Write through a temporary file beside `path`, flushed to disk, then renamed over it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{time.monotonic_ns()}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        _replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def write_json(path: Path, value: Any) -> None:
    write_bytes(path, (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode())


def sync_folder(folder: Path) -> None:
    """Make a rename durable. Windows cannot open folders, and some network file systems cannot flush them: there the rename alone must do."""
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


def _replace(source: Path, target: Path) -> None:
    # On Windows a reader that has the target open makes the rename fail for a moment.
    for attempt in range(20):
        try:
            os.replace(source, target)
            return
        except PermissionError:
            if os.name != "nt" or attempt == 19:
                raise
            time.sleep(0.01 * (attempt + 1))
