"""What all layouts share: their types, where points start, and how far they are."""

from __future__ import annotations

import io
import re
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from engine.analysis.layouts.pca import along, principal_directions

Features = NDArray[np.float32]
Layout = NDArray[np.float32]
Tell = Callable[[float, str], None]
"""How far a projection is: share done, 0..1, and what it does, in words."""


def start_of(features: Features, dimensions: int, seed: int | None, later: Layout | None, noise: float) -> Layout:
    """Where points start, with the first axis at spread 1: where they are in the next frame, or along the directions of
    largest spread.

    noise, in that unit: tells points apart that start at the same place. The seed draws it.
    """
    coordinates = later if later is not None else along(features, *principal_directions(features, dimensions))
    drawn = np.random.default_rng(seed or 0).normal(scale=noise, size=coordinates.shape)
    started: Layout = (coordinates / coordinates[:, 0].std() + drawn).astype(np.float32)
    return started


class PrintedProgress(io.TextIOBase):
    """Stands in for the screen that a library prints its progress on: hands on the first number that `pattern` finds in
    what is printed.
    """

    def __init__(self, pattern: str, tell: Callable[[int], None]) -> None:
        self._pattern, self._tell = re.compile(pattern), tell

    def write(self, text: str) -> int:
        if match := self._pattern.search(text):
            self._tell(int(match[1]))
        return len(text)
