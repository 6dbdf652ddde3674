"""Exact nearest neighbors in the full space: what galleries, purity and UMAP start from. One matrix product per block
of rows.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from engine.cores import usable_cores
from engine.errors import ShapeError

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.int64]
F = TypeVar("F", bound=np.floating[Any])
Metric = Literal["cosine", "euclidean"]

_BLOCK = 1_000_000  # distances held at once by each thread: 4 MB, which a core's cache can keep
_PAIRS = 20_000  # pairs of rows whose exact distance is computed at once
_MANY = 8  # candidates for each of the k places, from which on it pays to look for equal rows


class Neighbors(NamedTuple):
    """indices: int64 [M, k], rows of the features, nearest first and never the row itself. distances: float32 [M,
    k].
    """

    indices: Ints
    distances: NDArray[np.float32]


def nearest_neighbors(features: Floats, k: int, metric: Metric = "cosine", rows: Ints | None = None) -> Neighbors:
    """The k nearest other rows of each row of `features` [N, D], or of those in `rows` [M] alone; k is cut off at N -
    1.

    cosine: 1 - cosine, 0..2; a row of zeros is at 1 from everything. euclidean: in the unit of the features. Exact:
    of several equally far rows the first ones come in, and rows with the same features are neighbors at distance 0.
    Needs k and D numbers for each row asked for beside the features, and 4 MB for each thread. Raises ShapeError if
    `features` is no table of at least two rows, or holds anything but finite numbers.
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
    search = _Search(features, k, metric)
    indices, distances = np.empty((len(asked), k), np.int64), np.empty((len(asked), k), np.float32)

    def fill(start: int) -> None:
        part = slice(start, start + size)
        indices[part], distances[part] = search.of(asked[part])

    size = max(1, _BLOCK // len(features))
    if len(asked) <= size:
        fill(0)
    else:
        # Each block in a thread of its own instead of each product in several: choosing, which takes longer, is then
        # shared too.
        with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(usable_cores()) as threads:
            list(threads.map(fill, range(0, len(asked), size)))
    return Neighbors(indices, distances)


class _Search:
    """Distances by one matrix product in float32; what could be among the k nearest for all that the rounding allows is
    then measured in float64.
    """

    def __init__(self, features: NDArray[np.float32], k: int, metric: Metric) -> None:
        self._features, self._k, self._cosine = features, k, metric == "cosine"
        self._single = _Table(features, k, self._cosine)

    @cached_property
    def _double(self) -> _Table:
        return _Table(self._features.astype(np.float64), self._k, self._cosine)

    def of(self, block: Ints) -> tuple[Ints, NDArray[np.float64]]:
        """The nearest rows of those in `block` and their distances, both [block, k]."""
        k = self._k
        row, column = self._single.candidates(block)
        if len(row) > _MANY * k * len(block):
            # Float32 hardly tells the rows apart, as those of a network that has collapsed.
            row, column = self._double.candidates(block)
        away = self._measured(block[row], column)
        order = np.lexsort((column, away, row))
        place = order[np.searchsorted(row, np.arange(len(block)))[:, None] + np.arange(k)]
        return column[place], away[place]

    def _measured(self, left: Ints, right: Ints) -> NDArray[np.float64]:
        """The distance of each pair of rows [P]."""
        if len(left) > _MANY * self._k * len(np.unique(left)):
            # Many rows are the same: each pair of them is measured once.
            first, twin = self._twins
            pairs, inverse = np.unique(twin[left] * len(first) + twin[right], return_inverse=True)
            left, right = (first[side] for side in np.divmod(pairs, len(first)))
            return self._measured_each(left, right)[inverse]
        return self._measured_each(left, right)

    def _measured_each(self, left: Ints, right: Ints) -> NDArray[np.float64]:
        distances = np.empty(len(left))
        for start in range(0, len(left), _PAIRS):
            part = slice(start, start + _PAIRS)
            a, b = (self._features[side[part]].astype(np.float64) for side in (left, right))
            if self._cosine:
                lengths = np.sqrt(np.einsum("pd,pd->p", a, a) * np.einsum("pd,pd->p", b, b))
                products = np.einsum("pd,pd->p", a, b)
                distances[part] = 1 - np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0)
            else:
                difference = a - b
                distances[part] = np.sqrt(np.einsum("pd,pd->p", difference, difference))
        return distances.clip(0, 2) if self._cosine else distances

    @cached_property
    def _twins(self) -> tuple[Ints, Ints]:
        """The first row of each group of equal ones, and each row's group."""
        rows = np.ascontiguousarray(self._features).view(f"V{self._features.strides[0]}").ravel()
        _, first, twin = np.unique(rows, return_index=True, return_inverse=True)
        return first, twin


class _Table:
    """Half the squared distances between rows, less what all distances from a row share; as many digits as `features`
    have.
    """

    def __init__(self, features: NDArray[Any], k: int, cosine: bool) -> None:
        largest = float(np.abs(features).max())
        shifted = 0.0
        if cosine:
            self._vectors = unit_rows(features)
        else:
            # Neither scaling nor subtracting the mean changes which rows are nearest, and the shorter the vectors the
            # fewer digits the product loses.
            scale = largest if largest and not 1e-15 < largest < 1e15 else 1.0
            scaled = features / features.dtype.type(scale) if scale != 1.0 else features
            self._vectors = scaled - scaled.mean(0, dtype=np.float64).astype(features.dtype)
            shifted = largest / scale
        squares = np.einsum("nd,nd->n", self._vectors, self._vectors)
        self._offset = np.zeros_like(squares) if cosine else squares / 2
        longest, dimensions = float(squares.max()), features.shape[1]
        rounded = (3 * dimensions + 12) * longest + 8 * shifted * (dimensions * longest) ** 0.5
        self._margin = features.dtype.type(np.finfo(features.dtype).eps / 2 * rounded)
        self._k = k

    def candidates(self, block: Ints) -> tuple[Ints, Ints]:
        """Pairs of a place in `block` and a row that may be among its k nearest, both [P], sorted."""
        table = self._vectors[block] @ self._vectors.T  # [block, N]
        np.subtract(self._offset, table, out=table)
        table[np.arange(len(block)), block] = np.inf
        bound = self._bound(table) + self._margin
        row, column = np.divmod(np.flatnonzero(table <= bound[:, None]), len(self._vectors))
        others = column != block[row]  # the bound of a row with too few others is infinite
        return row[others], column[others]

    def _bound(self, table: NDArray[Any]) -> NDArray[Any]:
        """[block]: at or above the k-th smallest of each row; one pass that takes the smallest of every so many, and a
        choice among those.
        """
        groups = max(4 * self._k, 256)
        if (members := table.shape[1] // groups) > 1:
            table = table[:, : groups * members].reshape(len(table), members, groups).min(1)
        bound: NDArray[Any] = np.partition(table, self._k - 1, axis=1)[:, self._k - 1]
        return bound


def unit_rows(features: NDArray[F]) -> NDArray[F]:
    """Rows [N, D] scaled to length 1, in the type that they have; rows of zeros stay."""
    largest = np.abs(features).max(1, keepdims=True)
    scaled = np.zeros_like(features)
    np.divide(features, largest, out=scaled, where=largest > 0)  # first, or the squares of tiny numbers vanish
    lengths = np.linalg.norm(scaled, axis=1, keepdims=True)
    np.divide(scaled, lengths, out=scaled, where=lengths > 0)
    return scaled
