"""The points of a projection as a figure or in motion, and how far it can be trusted."""

from __future__ import annotations

import numpy as np
import streamlit as st

from engine.analysis.evaluated_run import EvaluatedRun
from engine.runs.projections import Projection
from ui.components.live_figure import live_figure
from ui.components.player import player
from ui.components.sprite_sheet import SpriteSheet, sprite_sheet
from ui.figures.space import scatter
from ui.space.point_colors import coloring, tips
from ui.space.selection import select_images, selected_images
from ui.space.zoom import remember_zoom, zoomed
from ui.style import formatting


def map_view(
    run: EvaluatedRun, projection: Projection, step: int, by: str, title: str, *, key: str, revision: str
) -> None:
    """The last frame as a figure, with the predictions after `step`; what is lassoed or clicked becomes the selection
    of all figures of these images. by: what colors the points.
    """
    is_labeled = projection.part == 0
    figure = scatter(
        projection.frames[-1],
        projection.ids,
        is_labeled & (not is_labeled.all()),
        tips(run, projection, step),
        coloring(run, projection, by, step),
        title,
        selected_images(run),
    )
    flat = projection.frames.shape[2] == 2
    if flat:
        figure = zoomed(figure, run, projection, key, revision)
    event = live_figure(
        figure,
        key=key,
        revision=revision,
        height=520,
        clickable=True,
        selectable=flat,
        zoomable=flat,
        fills=True,
        sprites=_sprites(run, projection),
    )
    if event is not None and "zoomed" in event:
        remember_zoom(key, revision, event["zoomed"])
        st.rerun()
    if event is not None:
        clicked = [event["customdata"][0]] if event.get("customdata") else []
        select_images(run, [int(sample) for sample in event.get("selected") or clicked])
        st.rerun()


def _sprites(run: EvaluatedRun, projection: Projection) -> SpriteSheet | None:
    """The images of the points, where they are on this machine."""
    if run.images is None or not len(projection.ids):
        return None
    return sprite_sheet(run.content, run.images.rows(projection.ids), run.images.images)


def animation(run: EvaluatedRun, projection: Projection, by: str) -> None:
    """The points traveling from evaluation to evaluation; nothing where there is one frame only."""
    if len(projection.steps) < 2 or projection.frames.shape[2] != 2:
        return
    paint = coloring(run, projection, by if by != "confidence" else "truth", int(projection.steps[-1]))
    assert paint.groups is not None
    labeled = np.flatnonzero(projection.part == 0)
    player(
        projection.frames,
        projection.steps.tolist(),
        paint.groups,
        paint.paints,
        paint.names,
        labeled if len(labeled) < len(projection.ids) else labeled[:0],
        key="space_player",
    )
    st.caption(
        "Colors are those of the last evaluation; labeled images are rings."
        + (" The animation cannot show confidence: colors are true classes." if by == "confidence" else "")
    )


def trust_tiles(projection: Projection) -> None:
    columns = st.columns(3)
    columns[0].metric(
        "Trustworthiness",
        formatting.percent(float(projection.trustworthiness[-1])),
        help=(
            "How far a point's neighbors in the figure are neighbors in the full space, too: 100 % is perfect, 50 % is"
            " chance."
        ),
    )
    columns[1].metric(
        "Neighbors of the same class",
        formatting.percent(float(projection.purity[-1])),
        help="Share of the nearest neighbors in the full space, not in the figure, with a point's own true class.",
    )
    columns[2].metric("Points", formatting.count(len(projection.ids)))
