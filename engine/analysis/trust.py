"""How far a layout can be believed: what the full space says about labels, and what the layout kept of the full
space.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.analysis.neighbors import Metric
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
    """Share of a point's nearest neighbors in the full space that have its label.

    indices: [M, k], from `nearest_neighbors`, of the points `rows` [M], or of all. labels: [N], -1 unknown: such points
    are left out, as a point and as a neighbor. In a space that knows nothing of the labels a class reaches its own
    share of all points.
    """
    own = labels if rows is None else labels[rows]
    if len(own) != len(indices):
        raise ShapeError(
            f"Purity needs one row of neighbors for each point, but there are {len(indices)} rows for {len(own)}"
            " points."
        )
    theirs = labels[indices]  # [M, k]
    known = (theirs >= 0).sum(1)
    counted = (own >= 0) & (known > 0)
    share = (theirs == own[:, None]).sum(1)[counted] / known[counted]
    counts = np.bincount(own[counted], minlength=classes)
    sums = np.bincount(own[counted], share, minlength=classes)
    per_class = np.divide(sums, counts, out=np.full(len(counts), np.nan), where=counts > 0)
    return Purity(float(share.mean()) if len(share) else float("nan"), per_class)


def trustworthiness(features: Floats, layout: Floats, metric: Metric, neighbors: int = NEIGHBORS) -> float:
    """Trustworthiness of a layout (Venna & Kaski 2001, "Neighborhood preservation in nonlinear projection methods"), on
    the fixed sample.

    features: [N, D]; layout: [N, 2 or 3]. 1: whoever is near in the layout is near in the full space; about 0.5:
    chance. The neighbors are those among the sample, so 15 of them reach farther than 15 among all points. Fewer are
    taken of fewer than 32 points, for which the measure is not defined otherwise. NaN below 4 points.
    """
    from sklearn.manifold import trustworthiness as of_all

    rows = trust_rows(len(features))
    k = min(neighbors, (len(rows) - 1) // 2)
    return (
        float(of_all(features[rows], layout[rows], n_neighbors=k, metric=metric))
        if k >= 1 and len(rows) >= 4
        else float("nan")
    )
