"""The points of a projection as a figure or in motion, and how far it can be trusted."""

from __future__ import annotations

import numpy as np
import streamlit as st

from engine.runs.projections import Projection
from ui.components.live_figure import live_figure
from ui.components.player import player
from ui.figures.space import scatter
from ui.runs.run_bar import Inside
from ui.space.point_colors import answers, coloring, tips
from ui.style import formatting

_KEY = "space"


def draw(
    inside: Inside, found: Projection, step: int, by: str, title: str, key: str, revision: str, chosen: list[int] | None
) -> None:
    """The last frame as a figure, with the answers after `step`; what is surrounded or clicked becomes the selection of
    both figures.
    """
    taken, sure = answers(inside, step)
    labeled = (found.part == 0) & (np.bincount(found.part, minlength=4)[1:].sum() > 0)
    figure = scatter(
        found.frames[-1],
        found.ids,
        labeled,
        tips(inside, found, taken, sure),
        coloring(inside, found, by, taken, sure),
        title,
        chosen,
    )
    event = live_figure(
        figure, key=key, revision=revision, height=560, clickable=True, selectable=found.frames.shape[2] == 2
    )
    if event is None:
        return
    picked = event.get("selected") or ([event["customdata"][0]] if event.get("customdata") else [])
    st.session_state[chosen_key(inside)] = [int(sample) for sample in picked] or None
    st.session_state[near_key(inside)] = int(picked[0]) if len(picked) == 1 else None
    st.rerun()


def trust(found: Projection) -> None:
    left, right, third = st.columns(3)
    left.metric(
        "Trustworthiness",
        formatting.percent(float(found.trustworthiness[-1])),
        help=(
            "Of a point's neighbors in the image, how far they are neighbors in the full space too: 100 % is perfect,"
            " 50 % is chance."
        ),
    )
    right.metric(
        "Neighbors of the same class",
        formatting.percent(float(found.purity[-1])),
        help=(
            "Share of the nearest neighbors in the full space, not in the image, that have a point's own true class."
        ),
    )
    third.metric("Points", formatting.count(len(found.ids)))


def travelling(inside: Inside, found: Projection, by: str) -> None:
    if len(found.steps) < 2 or found.frames.shape[2] != 2:
        return
    taken, sure = answers(inside, int(found.steps[-1]))
    paint = coloring(inside, found, by if by != "confidence" else "truth", taken, sure)
    assert paint.groups is not None
    few = np.flatnonzero(found.part == 0)
    player(
        found.frames,
        found.steps.tolist(),
        paint.groups,
        paint.paints,
        paint.names,
        few if len(few) < len(found.ids) else few[:0],
        key=f"{_KEY}_player",
    )
    st.caption(
        "Colors are those of the last evaluation; the labeled images are rings."
        + ("" if by != "confidence" else " Confidence has no color here: the true classes do.")
    )


def chosen_key(inside: Inside) -> str:
    """A selection is one of images: runs of the same ones share it."""
    return f"{_KEY}_chosen_{inside.content}"


def near_key(inside: Inside) -> str:
    """The one image whose neighbors are shown."""
    return f"{_KEY}_near_{inside.content}"
