"""Work that was asked of the engine and takes a while: it tells how far it is through a file, and can be cancelled."""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.runs.atomic_write import write_bytes
from ui.shell.server import lab


@dataclass(frozen=True)
class BackgroundJob:
    """What was asked, and the file of its progress."""

    future: Future[Any]
    progress_file: Path

    def progress(self) -> tuple[int, int]:
        """Done, and in all; 0, 0 as long as nothing was told."""
        try:
            told = json.loads(self.progress_file.read_bytes())
            return int(told["done"]), int(told["total"])
        except (OSError, ValueError, KeyError, TypeError):
            return 0, 0

    def cancel(self) -> None:
        write_bytes(self.progress_file.with_suffix(".cancel"), b"")


def new_progress_file(name: str) -> Path:
    """For a job of this name; what an earlier one left is removed."""
    file = lab().store.root / ".imports" / f"{hashlib.sha256(name.encode()).hexdigest()[:16]}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    for left in (file, file.with_suffix(".cancel")):
        left.unlink(missing_ok=True)
    return file
