"""What the process that leads a run tells the others, between two steps."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, NamedTuple

from numpy.typing import NDArray


class Order(IntEnum):
    """What comes with it stands behind it."""

    BEGIN = 0  # a run: Beginning
    STEP = 1  # the next step
    SETTINGS = 2  # that are in force from the next step on: the config as a plain object
    COMPARE = 3  # whether all processes have the same state
    END = 4  # of the steps of this run
    OVER = 5  # of all runs: the id of the last one
    REFUSED = 6  # nothing was begun, or it failed between two steps: the sentence


class Beginning(NamedTuple):
    """A run as it stands before the steps that several processes train. path: its folder. config, machine: plain
    objects. candidates: bool [pool, K], None where nothing has candidates. state: that of the method and of
    its loop, as a checkpoint holds it.
    """

    path: str
    config: dict[str, Any]
    machine: dict[str, Any]
    candidates: NDArray[Any] | None
    step: int
    state: dict[str, Any]
