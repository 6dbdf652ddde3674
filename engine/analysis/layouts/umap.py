"""UMAP (McInnes, Healy & Melville 2018, arXiv:1802.03426) by umap-learn, on exact neighbors."""

from __future__ import annotations

import sys
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.analysis.layouts.layout import Features, Layout, PrintedProgress, Tell, start_of
from engine.analysis.neighbors import Metric, nearest_neighbors

# Share of the steps, and their length, of a layout from the next frame: as trustworthy as with all, half the way.
_SHARE_LATER, _RATE_LATER = 0.5, 0.25


def umap(
    features: Features,
    dimensions: int,
    metric: Metric,
    neighbors: int,
    min_dist: float,
    seed: int | None,
    later: Layout | None,
    tell: Tell,
) -> Layout:
    """Points [N, dimensions] of features [N, D]; `later` are those of the next frame. Neighbors count the point itself
    and are lowered where there are not as many points.
    """
    count = len(features)
    tell(0.0, "Finding neighbors")
    near = nearest_neighbors(features, min(neighbors, count - 1) - 1, metric)
    indices, distances = _with_itself(near.indices, near.distances)
    steps = layout_steps(count)
    steps = steps if later is None else int(steps * _SHARE_LATER)
    usual = 500 if count <= 10_000 else 200
    doing = "Laying out with UMAP" + (f", {steps} of umap-learn's usual {usual} rounds" if steps < usual else "")
    tell(
        0.02,
        (doing if "umap" in sys.modules else "Starting UMAP: the first time it is compiled, which takes a while"),
    )
    UMAP = _imported()
    printed = PrintedProgress(r"(\d+)/", lambda done: tell(0.1 + 0.9 * done / steps, doing))
    bar = {"disable": False, "file": printed, "bar_format": "{n}/{total}"}
    fit = UMAP(
        n_neighbors=indices.shape[1],
        n_components=dimensions,
        metric=metric,
        min_dist=min_dist,
        n_epochs=steps,
        init=start_of(features, dimensions, seed, None, noise=1e-3) if later is None else "random",
        random_state=seed,
        n_jobs=1 if seed is not None else -1,
        precomputed_knn=(indices, distances, None),
        disconnection_distance=np.inf,  # else points opposite to all others get no place at all
        transform_mode="embedding" if later is None else "graph",
        tqdm_kwds=bar,
    )
    with warnings.catch_warnings():
        # It misses the index that it would place new points with; we place none.
        warnings.filterwarnings(
            "ignore", r"precomputed_knn\[2\] \(knn_search_index\) is not an NNDescent object", UserWarning
        )
        fitted = fit.fit_transform(features)
    points: Layout = fitted if later is None else _continued(fitted, steps, min_dist, seed, later, bar)
    return points


def _with_itself(indices: NDArray[np.integer[Any]], distances: Features) -> tuple[NDArray[np.int32], Features]:
    """Neighbors [N, k] and their distances with each point first among its own neighbors, [N, k + 1], as umap-learn
    counts them.
    """
    count = len(indices)
    itself = np.arange(count)[:, None]
    return (
        np.concatenate([itself, indices], 1).astype(np.int32),
        np.concatenate([np.zeros((count, 1), np.float32), distances], 1),
    )


def layout_steps(count: int) -> int:
    """Rounds in which `count` points are laid out: umap-learn's 500 up to 5,000 points, fewer of more points, down to
    its 200. umap-learn itself jumps from 500 to 200 at 10,000.
    """
    return int(np.clip(2_500_000 / count, 200, 500))


def _continued(graph: Any, steps: int, min_dist: float, seed: int | None, later: Layout, bar: dict[str, Any]) -> Layout:
    """The layout of a neighbor graph [N, N] from where the points are in the next frame.

    UMAP itself squeezes whatever it is told to start from into a box, one axis more than the other, and all points
    would jump.
    """
    from umap.layouts import optimize_layout_euclidean
    from umap.umap_ import find_ab_params, make_epochs_per_sample

    edges = graph.tocoo()
    edges.sum_duplicates()
    edges.data[edges.data < edges.data.max() / steps] = 0  # would not have a single turn
    edges.eliminate_zeros()
    rng = np.random.default_rng(seed)
    points = np.ascontiguousarray(later + rng.normal(scale=1e-3, size=later.shape), np.float32)
    moved: Layout = optimize_layout_euclidean(
        points,
        points,
        edges.row,
        edges.col,
        steps,
        len(points),
        make_epochs_per_sample(edges.data, steps),
        *find_ab_params(1.0, min_dist),
        rng.integers(-(2**31) + 1, 2**31 - 1, 3),
        initial_alpha=_RATE_LATER,
        parallel=seed is None,
        tqdm_kwds=bar,
        move_other=True,
    )
    return moved


def _imported() -> Any:
    with warnings.catch_warnings():
        # Of a variant that trains a network, which we do not use.
        warnings.filterwarnings("ignore", "Tensorflow not installed; ParametricUMAP will be unavailable", ImportWarning)
        from umap import UMAP
    return UMAP
