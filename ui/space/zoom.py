"""Images in place of points, where the map is zoomed in so far that there is room for them."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

from engine.analysis.evaluated_run import EvaluatedRun
from engine.runs.projections import Projection
from ui.components.gallery import image_uri
from ui.figures.frame import Figure
from ui.figures.space import PointImage, with_images

_ROOM_FOR = 80  # images
_ACROSS = 16  # images that would stand side by side


def remember_zoom(key: str, revision: str, view: dict[str, Any]) -> None:
    """view: what a figure says it was zoomed to."""
    st.session_state[f"{key}_zoom"] = (revision, view["x"], view["y"])


def zoomed(figure: Figure, run: EvaluatedRun, projection: Projection, key: str, revision: str) -> Figure:
    """The figure, with images at the points in sight if they are few enough."""
    of, x, y = st.session_state.get(f"{key}_zoom", (None, None, None))
    if of != revision or not x or not y or run.images is None:
        return figure
    points = projection.frames[-1]
    low, high = np.sort([x, y], 1).T
    inside = np.flatnonzero(((points >= low) & (points <= high)).all(1))
    if not 0 < len(inside) <= _ROOM_FOR:
        return figure
    images = [
        PointImage(float(points[row, 0]), float(points[row, 1]), image_uri(run.pixels(int(projection.ids[row]))))
        for row in inside
    ]
    return with_images(figure, images, float(high[0] - low[0]) / _ACROSS)
