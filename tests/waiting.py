"""Waiting for what another process or a page does. Only a machine that is busy needs the patience: nothing here
waits longer than what it waits for.
"""

from __future__ import annotations

import time
from collections.abc import Callable

# Seconds before a test fails for want of what it waits for. A machine under load took four times as long as a
# quiet one, and a shorter wait would only say that.
PATIENCE = 300.0


def until(true: Callable[[], object], what: str, seconds: float = PATIENCE, every: float = 0.01) -> None:
    """Return as soon as `true()` is, asked `every` so many seconds; fail with `what` after `seconds`."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"waited {seconds:.0f} s for {what}"
        time.sleep(every)
