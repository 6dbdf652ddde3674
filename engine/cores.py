"""How many cores there are for us: asked by the training and by imports."""

from __future__ import annotations

import os


def usable_cores() -> int:
    """Cores this process is allowed to run on, which can be fewer than the machine has. A quota of time, as containers
    set it, is not seen.
    """
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1
