"""Curves with many points -> curves with as many as a screen can show."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]


def downsample(x: npt.ArrayLike, y: npt.ArrayLike, limit: int = 2000) -> tuple[Values, Values]:
    """At most `limit` (at least 4) of the points of a curve, with its first and last point and the lowest and highest
    of every bucket.

    x, y: [N], in drawing order. A mean would hide the one step at which a loss jumped; here every jump stays at its
    full height. NaN in y, a gap in the curve, never hides an extreme. Buckets hold a power of two of points, counted
    from the start: while a run grows, points already drawn stay. Returns float64 [M], M <= limit; everything,
    unchanged, if N <= limit. Raises ValueError if x and y differ in length.
    """
    xs, ys = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if xs.ndim != 1 or xs.shape != ys.shape:
        raise ValueError(
            f"x and y must be two lists of one length, but have the shapes {list(xs.shape)} and {list(ys.shape)}"
        )
    if limit < 4:
        raise ValueError(f"limit must be at least 4, but is {limit}")
    count = len(xs)
    if count <= limit:
        return xs, ys
    size = 4
    while 2 * -(-count // size) + 2 > limit:
        size *= 2
    padded = np.full(-(-count // size) * size, np.nan)
    padded[:count] = ys
    buckets = padded.reshape(-1, size)
    starts = np.arange(len(buckets)) * size
    lowest = starts + np.where(np.isnan(buckets), np.inf, buckets).argmin(1)
    highest = starts + np.where(np.isnan(buckets), -np.inf, buckets).argmax(1)
    selected = np.unique(np.concatenate([[0], lowest, highest, [count - 1]]))
    return xs[selected], ys[selected]
