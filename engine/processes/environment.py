"""What `torchrun` tells a process about itself, asked without torch before anything else is imported; and its end."""

from __future__ import annotations

import os
import sys
from typing import Any, NoReturn

_NEEDED = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


def process_count() -> int:
    """How many processes were started together; 1 where this one was started alone."""
    if not all(name in os.environ for name in _NEEDED):
        return 1
    return max(1, _number("WORLD_SIZE", 1))


def process_number() -> int:
    """This process's place among those that were started together, 0 the first."""
    return _number("RANK", 0) if process_count() > 1 else 0


def here() -> tuple[int, int]:
    """This process's place among those on this machine, and how many those are."""
    if process_count() == 1:
        return 0, 1
    return _number("LOCAL_RANK", process_number()), _number("LOCAL_WORLD_SIZE", process_count())


def end_at_once(code: Any = None) -> NoReturn:
    """The end of a process of several, with what SystemExit was given. Threads of gloo may still be letting go of their
    last tensors: what Python does at its end takes the ground from under them, and now and then aborts a process whose
    run is finished.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


def _number(name: str, otherwise: int) -> int:
    text = os.environ.get(name, "")
    return int(text) if text.isdecimal() else otherwise
