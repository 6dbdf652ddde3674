"""PaCMAP (Wang, Huang, Rudin & Shaposhnik 2021, JMLR 22(201)), by its authors' package, an optional extra."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
from typing import Any

from engine.analysis.layouts.layout import Features, Layout, PrintedProgress, Tell, start_of
from engine.errors import ProjectionError

# The package's own numbers of steps with strong, weak and no pull of pairs that are neither near nor far.
_STEPS = (100, 100, 250)
_FEWEST = 8  # points; it measures how dense they lie by the distance of each to its fourth to sixth neighbor


def pacmap(
    features: Features,
    dimensions: int,
    neighbors: int,
    seed: int | None,
    later: Layout | None,
    tell: Tell,
) -> Layout:
    """Points [N, dimensions] of features [N, D], by Euclidean distance; `later` are those of the next frame. Neighbors
    count the point itself; pairs are lowered where there are too few points for them. Raises ProjectionError where the
    package is not installed, and for less than 8 points.
    """
    tell(0.0, "Finding pairs")
    PaCMAP = _imported()
    count = len(features)
    if count < _FEWEST:
        raise ProjectionError(f"PaCMAP needs at least {_FEWEST} points, but there are {count}: choose t-SNE or PCA.")
    # Near, mid-near and far pairs of a point are 1 : 0.5 : 2, and all of them must fit among the points.
    near = max(1, min(neighbors - 1, (count - 1) * 2 // 7))
    fit = PaCMAP(
        n_components=dimensions,
        n_neighbors=near,
        num_iters=_STEPS,
        random_state=seed,
        verbose=True,
    )
    printed = PrintedProgress(r"Iteration:\s*(\d+)", lambda done: tell(done / sum(_STEPS), "Laying out with PaCMAP"))
    with contextlib.redirect_stdout(printed):
        points: Layout = fit.fit_transform(features, init=start_of(features, dimensions, seed, later, noise=1e-3))
    return points


def _imported() -> Any:
    if importlib.util.find_spec("pacmap") is None:
        raise ProjectionError(
            "PaCMAP is not installed: run `pip install -r requirements-extras.txt`, or choose UMAP or t-SNE."
        )
    # It warns of every seed and of every third dimension.
    logging.getLogger("pacmap.pacmap").setLevel(logging.ERROR)
    from pacmap import PaCMAP

    return PaCMAP
