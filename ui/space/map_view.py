"""The points of a projection as a figure or in motion."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import streamlit as st

from engine.analysis.evaluated_run import EvaluatedRun
from engine.runs.projections import Projection
from ui.components.live_figure import live_figure
from ui.components.player import Look, player
from ui.components.sprite_sheet import SpriteSheet, sprite_sheet
from ui.figures.frame import shorten_unique
from ui.figures.space import FADED, OPACITY, POINT, labeled_size, scatter
from ui.space.point_colors import coloring, tips
from ui.space.selection import select_images, selected_images
from ui.space.zoom import remember_zoom, zoomed
from ui.style import colors


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


def travels(projection: Projection) -> bool:
    """Whether there is an animation of it."""
    return len(projection.steps) > 1 and projection.frames.shape[2] == 2


def animation(
    run: EvaluatedRun, projection: Projection, by: str, title: str, on_explore: Callable[[int], None]
) -> None:
    """The points traveling from evaluation to evaluation, in place of the map and marked as there. on_explore: is told
    after which step the map is wanted.
    """
    paint = coloring(run, projection, by if by != "confidence" else "truth", int(projection.steps[-1]))
    assert paint.groups is not None
    present, groups = np.unique(paint.groups, return_inverse=True)
    labeled = np.flatnonzero(projection.part == 0)
    marked = labeled if len(labeled) < len(projection.ids) else labeled[:0]
    selected = selected_images(run)
    player(
        projection.frames,
        projection.steps.tolist(),
        groups,
        [paint.paints[k] for k in present],
        shorten_unique([paint.names[k] for k in present], 20),
        marked,
        None if selected is None else np.flatnonzero(np.isin(projection.ids, selected)),
        Look(POINT, OPACITY, labeled_size(len(marked)), colors.MUTED, FADED),
        title,
        _sprites(run, projection),
        key="space_player",
        on_explore=on_explore,
    )
    st.caption(
        "Colors are those of the last evaluation."
        + (" The animation cannot show confidence: colors are true classes." if by == "confidence" else "")
    )
