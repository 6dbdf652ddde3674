"""Where the project lies, what processes take of signals, and whether one lives."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engine.terminal import ending_signals

ROOT = Path(__file__).parents[2]


@contextmanager
def child(*arguments: str, ignored: signal.Signals | None = None, **how: Any) -> Iterator[subprocess.Popen[Any]]:
    """A process in the project's folder that does not outlive the block. Of the signals that end a run it ignores
    `ignored` alone, even if these tests were started by nohup or in a shell's background, which have all below them
    ignore some. how: as Popen has it.
    """
    before = {
        number: signal.signal(number, signal.SIG_IGN if number == ignored else signal.SIG_DFL)
        for number in ending_signals()
    }
    try:
        process = subprocess.Popen(arguments, cwd=ROOT, **how)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    with process:
        try:
            yield process
        finally:
            process.kill()


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
