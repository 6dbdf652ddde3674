"""Exact nearest neighbors in the full space: what galleries, purity and UMAP start from. One matrix product per block
of rows.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from engine.cores import usable_cores
from engine.errors import ShapeError

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.int64]
Metric = Literal["cosine", "euclidean"]

_BLOCK = 4_000_000  # distances held at once by each thread: 16 MB
_CANCELS = 0.01  # a squared distance below this share of the squared lengths has lost digits in the product


class Neighbors(NamedTuple):
    """indices: int64 [M, k], rows of the features, nearest first and never the row itself. distances: float32 [M,
    k].
    """

    indices: Ints
    distances: NDArray[np.float32]


def nearest_neighbors(features: Floats, k: int, metric: Metric = "cosine", rows: Ints | None = None) -> Neighbors:
    """The k nearest other rows of each row of `features` [N, D], or of those in `rows` [M] alone; k is cut off at N -
    1.

    cosine: 1 - cosine, 0..2; a row of zeros is at 1 from everything. euclidean: in the unit of the features. Rows with
    the same features are neighbors at distance 0; which of several equally far rows comes in as the last one is not
    defined. Needs k and D numbers for each row asked for beside the features, and 16 MB for each thread. Raises
    ShapeError if `features` is no table of at least two rows, or holds anything but finite numbers.
    """
    features = np.ascontiguousarray(features, np.float32)
    if features.ndim != 2 or len(features) < 2:
        raise ShapeError(
            f"Neighbors need features [N, D] of at least 2 points, but the shape is {list(features.shape)}."
        )
    if not np.isfinite(features).all():
        raise ShapeError("Neighbors need finite numbers, but some features are infinite or not a number.")
    asked = np.arange(len(features)) if rows is None else np.asarray(rows, np.int64)
    k = max(1, min(k, len(features) - 1))
    # Subtracting the mean changes no Euclidean distance, and the shorter the vectors the fewer digits the product
    # loses.
    given, features = features, unit_rows(features) if metric == "cosine" else features - features.mean(0)
    squares = np.einsum("nd,nd->n", features, features)  # [N]
    indices, distances = np.empty((len(asked), k), np.int64), np.empty((len(asked), k), np.float32)

    def fill(start: int) -> None:
        block = asked[start : start + size]
        products = features[block] @ features.T  # [block, N]
        table = 1 - products if metric == "cosine" else squares[block, None] + squares - 2 * products
        table[np.arange(len(block)), block] = np.inf
        chosen = np.argpartition(table, k - 1, axis=1)[:, :k]
        near = np.take_along_axis(table, chosen, 1)
        if metric == "euclidean":
            near = np.sqrt(_exact(near, chosen, block, given, squares))
        order = np.argsort(near, axis=1, kind="stable")
        indices[start : start + size] = np.take_along_axis(chosen, order, 1)
        distances[start : start + size] = np.clip(
            np.take_along_axis(near, order, 1), 0, 2 if metric == "cosine" else None
        )

    size = max(1, _BLOCK // len(features))
    if len(asked) <= size:
        fill(0)
    else:
        # Each block in a thread of its own instead of each product in several: partitioning, which takes longer, is
        # then shared too.
        with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(usable_cores()) as threads:
            list(threads.map(fill, range(0, len(asked), size)))
    return Neighbors(indices, distances)


def unit_rows(features: Floats) -> NDArray[np.float32]:
    """Rows [N, D] scaled to length 1; rows of zeros stay."""
    largest = np.abs(features).max(1, keepdims=True)
    scaled = np.zeros(features.shape, np.float32)
    np.divide(features, largest, out=scaled, where=largest > 0)  # first, or the squares of tiny numbers vanish
    lengths = np.linalg.norm(scaled, axis=1, keepdims=True)
    np.divide(scaled, lengths, out=scaled, where=lengths > 0)
    return scaled


def _exact(squared: Floats, chosen: Ints, block: Ints, features: Floats, squares: Floats) -> Floats:
    """Squared distances [block, k], with those of near twins computed again from the differences: |x|² + |y|² - 2xy of
    them is mostly rounding.
    """
    row, place = np.nonzero(squared < _CANCELS * (squares[block, None] + squares[chosen]))
    for start in range(0, len(row), 10_000):
        r, p = row[start : start + 10_000], place[start : start + 10_000]
        difference = features[block[r]] - features[chosen[r, p]]
        squared[r, p] = np.einsum("nd,nd->n", difference, difference)
    return np.maximum(squared, 0)
