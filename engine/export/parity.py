"""Whether an exported file answers as the run does, image by image."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.export.formats import Answers
from engine.predictor import Predictor

TOLERANCE = 1e-4
"""By which a probability or a distance may differ: rounding of another runtime."""
_AT_ONCE = 64


class Parity(NamedTuple):
    """images: how many were compared. largest: the largest difference of a probability. changed: images whose most
    probable class is another one, beyond rounding. distance: the largest difference of a distance to the nearest
    labeled image.
    """

    images: int
    largest: float
    changed: int
    distance: float = 0.0

    @property
    def holds(self) -> bool:
        return self.changed == 0 and max(self.largest, self.distance) <= TOLERANCE


def compare(predictor: Predictor, answers: Answers, images: NDArray[np.uint8]) -> Parity:
    """images: uint8 [N, C, H, W] in the run's size."""
    largest, changed, distance = 0.0, 0, 0.0
    for start in range(0, len(images), _AT_ONCE):
        block = np.array(images[start : start + _AT_ONCE])
        found, (outside, there) = predictor.answers(block), answers(block)
        inside, here = found.probabilities, found.distances
        if here is not None:
            distance = max(distance, float("inf") if there is None else float(np.abs(here - there).max()))
        largest = max(largest, float(np.abs(inside - outside).max()))
        # Two classes that are equally probable to the tolerance have no order that could change.
        preferred = np.take_along_axis(inside, outside.argmax(1)[:, None], 1)[:, 0]
        changed += int((inside.max(1) - preferred > TOLERANCE).sum())
    return Parity(len(images), largest, changed, distance)
