"""What a prepared or damaged file brings along, and what must come of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.errors import FewLabError

GARBAGE = bytes(np.random.default_rng(0).integers(0, 256, 5000, dtype=np.uint8))


class Attack:
    """Unpickling this creates a file."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (str(self.trace), "w"))


def sentence(action: Callable[[], Any]) -> str:
    with pytest.raises(FewLabError) as refused:
        action()
    text = str(refused.value)
    assert "\n" not in text
    assert len(text) < 500
    return text


def flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 255]) + data[middle + 1 :]
