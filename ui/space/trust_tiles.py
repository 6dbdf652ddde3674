"""How far a projection can be trusted, as numbers that open the points behind them."""

from __future__ import annotations

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from engine.analysis.evaluated_run import EvaluatedRun
from engine.analysis.neighbors import Metric, nearest_neighbors
from engine.analysis.trust import NEIGHBORS, Floats, purity_of_points, trust_of_points, trust_rows
from engine.lab.projections.projection_inputs import ProjectionInputs
from engine.runs.projections import Projection
from ui.runs.counted_images import metric_of_images
from ui.runs.image_gallery import GalleryImage
from ui.runs.image_panel import show_images
from ui.space.chosen_images import by_mistake
from ui.style import formatting


def trust_tiles(
    run: EvaluatedRun, inputs: ProjectionInputs, projection: Projection, metric: Metric, step: int, page: str
) -> None:
    """metric: by which the projection has its neighbors. step: whose predictions the images are shown with."""
    first, second, third = st.columns(3)
    rows, count = trust_rows(len(projection.ids)), len(projection.ids)
    sampled = f" (of a sample of {formatting.count(len(rows))})" if len(rows) < count else ""
    with first:
        meaning = (
            "How far a point's neighbors in the figure are neighbors in the full space, too: 100 % is perfect, 50 % is"
            " chance."
        )
        if _tile(run, "Trustworthiness", float(projection.trustworthiness[-1]), "space_trust", meaning):
            trust = trust_of_points(inputs.last(), projection.frames[-1], metric)
            title = f"Points by trustworthiness, the lowest first{sampled}"
            _show(run, projection, *_lowest(rows, trust), step, title, page)
    with second:
        meaning = "Share of the nearest neighbors in the full space, not in the figure, with a point's own true class."
        if _tile(run, "Neighbors of the same class", float(projection.purity[-1]), "space_purity", meaning):
            indices = nearest_neighbors(inputs.last(), NEIGHBORS, metric, rows).indices
            purity = purity_of_points(indices, projection.labels, rows)
            title = f"Points with neighbors of other classes, the lowest share of their own first{sampled}"
            _show(run, projection, *_lowest(rows, purity), step, title, page)
    with third:
        if _tile(run, "Points", count, "space_points"):
            chosen = by_mistake(run, projection, np.arange(count), step)
            _show(run, projection, chosen.positions, chosen.confidence, step, "Points of the map, mistakes first", page)


def _tile(run: EvaluatedRun, label: str, value: float | int, key: str, meaning: str | None = None) -> bool:
    """A share or a count, and whether its images are asked for."""
    said = formatting.count(value) if isinstance(value, int) else formatting.percent(value)
    if run.images is None or np.isnan(value):
        st.metric(label, said, help=meaning)
        return False
    return metric_of_images(label, said, key, help=meaning)


def _lowest(rows: NDArray[np.int64], shares: Floats) -> tuple[NDArray[np.int64], Floats]:
    """Those of the points `rows` [M] whose share [M] is known and not whole, the lowest first."""
    order = np.argsort(shares, kind="stable")
    order = order[shares[order] < 1]
    return rows[order], shares[order]


def _show(
    run: EvaluatedRun,
    projection: Projection,
    positions: NDArray[np.int64],
    shares: Floats,
    step: int,
    title: str,
    page: str,
) -> None:
    """shares: said below each image, NaN for none."""
    ids = projection.ids[positions]
    predicted, _ = run.predictions_of(ids, step)
    rows = zip(ids, projection.labels[positions], predicted, shares, strict=True)
    images = [
        GalleryImage(
            int(sample), int(truth), int(label), () if np.isnan(share) else (formatting.percent(float(share)),)
        )
        for sample, truth, label, share in rows
    ]
    show_images(run, title, images, page)
