"""Where the project lies, and whether a process lives."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).parents[2]


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
