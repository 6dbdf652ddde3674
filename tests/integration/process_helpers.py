"""Waiting for something that another process does, with a sentence if it never comes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]


def until(true: Callable[[], object], what: str, seconds: float = 120.0, every: float = 0.01) -> None:
    """Return as soon as `true()` is; fail with `what` after `seconds`."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"{what} did not happen within {seconds:.0f} s"
        time.sleep(every)


def alive(pid: int) -> bool:
    """Whether a process still runs; one that has ended and that nobody has asked about counts as ended."""
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        if stat.parent.parent.is_dir() and os.name != "nt" and Path("/proc/self").exists():
            return False
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True
