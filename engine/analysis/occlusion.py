"""Where a model looks: how much less sure it is of its answer when a part of the image is covered.

Zeiler and Fergus 2014 (arXiv:1311.2901, section 4.2). It asks nothing of the model but answers, so it holds for every
method.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

_SIDE = 1 / 4  # of the image's: the square that covers a part of it
_PLACES = 12  # the square stands at so many places along each side


def occlusion(
    probabilities: Callable[[NDArray[np.uint8]], NDArray[np.float32]], image: NDArray[np.uint8]
) -> NDArray[np.float32]:
    """How much of the probability of the predicted class each pixel holds up: float32 [H, W], the mean over the squares
    that cover it of what is lost when the square takes the image's median color. Negative where the answer gains.

    probabilities: of uint8 [N, C, H, W] in float [N, K]; image: uint8 [C, H, W].
    """
    _, height, width = image.shape
    rows, columns = _corners(height), _corners(width)
    color = np.median(image, axis=(1, 2)).astype(np.uint8)[:, None, None]
    places = [(top, left) for top in rows for left in columns]
    covered = np.repeat(image[None], len(places), 0)
    deep, wide = _length(height), _length(width)
    for one, (top, left) in zip(covered, places, strict=True):
        one[:, top : top + deep, left : left + wide] = color
    whole = probabilities(image[None])[0]
    lost = whole[whole.argmax()] - probabilities(covered)[:, whole.argmax()]
    total, times = np.zeros((height, width)), np.zeros((height, width))
    for (top, left), drop in zip(places, lost.tolist(), strict=True):
        total[top : top + deep, left : left + wide] += drop
        times[top : top + deep, left : left + wide] += 1
    return (total / times).astype(np.float32)


def _length(side: int) -> int:
    return max(1, round(side * _SIDE))


def _corners(side: int) -> list[int]:
    """Where the square begins: from one end of the side to the other, so that every pixel is covered at some place."""
    return sorted({round(at) for at in np.linspace(0, side - _length(side), min(_PLACES, side))})
