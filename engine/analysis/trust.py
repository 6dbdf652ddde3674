"""How far a layout can be believed: what the full space says about labels, and what the layout kept of the full
space.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.analysis.neighbors import Metric, nearest_neighbors
from engine.errors import ShapeError

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.int64]

# points: a table of all pairs of these is quick even for pixels, and their mean is within about 0.01 of that of all
SAMPLE = 1_000
NEIGHBORS = 15


class Purity(NamedTuple):
    """overall: mean over points, 0..1; NaN if no label is known. per_class: float64 [K], NaN for a class without a
    point.
    """

    overall: float
    per_class: NDArray[np.float64]


def trust_rows(count: int) -> Ints:
    """The fixed sample, rising, of `count` rows that both figures are taken of; all of them if they are few."""
    return np.arange(count) if count <= SAMPLE else np.sort(np.random.default_rng(0).permutation(count)[:SAMPLE])


def knn_purity(indices: Ints, labels: Ints, classes: int, rows: Ints | None = None) -> Purity:
    """Mean of `purity_of_points`, over all points and by class. In a space that knows nothing of the labels a class
    reaches its own share of all points.
    """
    share = purity_of_points(indices, labels, rows)
    own, counted = labels if rows is None else labels[rows], np.isfinite(share)
    counts = np.bincount(own[counted], minlength=classes)
    sums = np.bincount(own[counted], share[counted], minlength=classes)
    per_class = np.divide(sums, counts, out=np.full(len(counts), np.nan), where=counts > 0)
    return Purity(float(share[counted].mean()) if counted.any() else float("nan"), per_class)


def purity_of_points(indices: Ints, labels: Ints, rows: Ints | None = None) -> NDArray[np.float64]:
    """Share of each point's nearest neighbors in the full space that have its label: float64 [M], NaN where its own
    or all of theirs are unknown.

    indices: [M, k], from `nearest_neighbors`, of the points `rows` [M], or of all. labels: [N], -1 unknown: such points
    are left out, as a point and as a neighbor. Raises ShapeError.
    """
    own = labels if rows is None else labels[rows]
    if len(own) != len(indices):
        raise ShapeError(
            f"Purity needs one row of neighbors for each point, but there are {len(indices)} rows for {len(own)}"
            " points."
        )
    theirs = labels[indices]  # [M, k]
    known = (theirs >= 0).sum(1)
    same = (theirs == own[:, None]).sum(1)
    shares: NDArray[np.float64] = np.divide(same, known, out=np.full(len(own), np.nan), where=(own >= 0) & (known > 0))
    return shares


def trustworthiness(features: Floats, layout: Floats, metric: Metric, neighbors: int = NEIGHBORS) -> float:
    """Trustworthiness of a layout (Venna & Kaski 2001, "Neighborhood preservation in nonlinear projection methods"), on
    the fixed sample.

    features: [N, D]; layout: [N, 2 or 3]. 1: whoever is near in the layout is near in the full space; about 0.5:
    chance. The neighbors are those among the sample, so 15 of them reach farther than 15 among all points. Fewer are
    taken of fewer than 32 points, for which the measure is not defined otherwise. NaN below 4 points.
    """
    from sklearn.manifold import trustworthiness as of_all

    rows = trust_rows(len(features))
    k = _neighbors_of(len(rows), neighbors)
    return float(of_all(features[rows], layout[rows], n_neighbors=k, metric=metric)) if k else float("nan")


def trust_of_points(features: Floats, layout: Floats, metric: Metric, neighbors: int = NEIGHBORS) -> Floats:
    """What each point of the fixed sample adds to `trustworthiness`, which is the mean: float64 [M], 0..1, as
    `trust_rows` has them; NaN below 4 points.
    """
    rows = trust_rows(len(features))
    count, k = len(rows), _neighbors_of(len(rows), neighbors)
    if not k:
        return np.full(count, np.nan)
    by_distance = nearest_neighbors(features[rows], count - 1, metric).indices
    rank = np.zeros((count, count), np.int64)
    np.put_along_axis(rank, by_distance, np.arange(1, count)[None], axis=1)
    near = nearest_neighbors(layout[rows], k, "euclidean").indices
    too_far = np.maximum(np.take_along_axis(rank, near, axis=1) - k, 0).sum(1)
    trust: Floats = 1 - 2 / (k * (2 * count - 3 * k - 1)) * too_far
    return trust


def _neighbors_of(count: int, wanted: int) -> int:
    """How many neighbors trustworthiness is taken of among `count` points; 0 where it is not defined."""
    return min(wanted, (count - 1) // 2) if count >= 4 else 0
