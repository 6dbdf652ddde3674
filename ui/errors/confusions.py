"""Which classes are confused with which, as numbers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]


def commonest_mistake(counts: Ids) -> tuple[int, int] | None:
    """True and predicted class; None where nothing is mistaken. counts: int64 [K, K]."""
    wrong = counts - np.diag(np.diag(counts))
    true, taken = divmod(int(wrong.argmax()), len(wrong))
    return (true, taken) if wrong.any() else None


def cell_of(classes: int) -> Callable[[str], tuple[int, int]]:
    """Reads "(3, 8)", as a link has it: true and predicted class."""

    def read(text: str) -> tuple[int, int]:
        true, taken = (int(part) for part in text.strip("()").split(","))
        if not (0 <= true < classes and 0 <= taken < classes):
            raise ValueError(text)
        return true, taken

    return read
