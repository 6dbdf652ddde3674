"""Where the project lies, what processes take of signals, and whether one lives."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.terminal import ending_signals

ROOT = Path(__file__).parents[2]


@contextmanager
def taking_signals(*, ignored: signal.Signals | None = None) -> Iterator[None]:
    """A process started in this block ignores this one alone of the signals that end a run, even if these tests were
    started by nohup or in a shell's background, which have all below them ignore some.
    """
    before = {
        number: signal.signal(number, signal.SIG_IGN if number == ignored else signal.SIG_DFL)
        for number in ending_signals()
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


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
