"""All images on a plane, by prediction: a lasso brings the images that it surrounds onto the board."""

from __future__ import annotations

import numpy as np
import streamlit as st

from engine.data.labels.labeling import Standing
from ui.components.live_figure import live_figure
from ui.components.sprite_sheet import sprite_sheet
from ui.figures.space import Coloring, scatter
from ui.label.board_view import show_group
from ui.label.image_choice import OpenSet
from ui.runs.label_group import MOST_IN_GROUP
from ui.shell.page import expander
from ui.style import colors, formatting

_MOST_POINTS = 5_000


def map_view(opened: OpenSet, standing: Standing) -> None:
    """Inside a fragment."""
    container = expander("Map of all images: surround a group to label it at once", "label_map", icon=":material/map:")
    if container is None:
        return
    labeling, head = opened.labeling, standing.head
    positions = labeling.map()
    if positions is None:
        container.caption("The map is shown here when the features are there.")
        return
    rows = np.arange(len(labeling.names))
    if len(rows) > _MOST_POINTS:
        rows = np.sort(np.random.default_rng(0).permutation(rows)[:_MOST_POINTS])
    groups = np.full(len(rows), len(standing.classes)) if head is None else head.predictions[rows]
    tips = [labeling.names[row] for row in rows]
    if head is not None:
        shares = head.probabilities[rows].max(1)
        predictions = [standing.classes[head.predictions[row]] for row in rows]
        tips = [
            f"{tip}<br>{prediction}, {formatting.percent(float(share))}"
            for tip, prediction, share in zip(tips, predictions, shares, strict=True)
        ]
    coloring = Coloring(
        "prediction",
        groups,
        (*standing.classes, "no prediction yet"),
        (*(colors.class_color(k) for k in range(len(standing.classes))), colors.UNKNOWN),
    )
    with container:
        chosen = live_figure(
            scatter(positions[rows], rows, standing.labels[rows] >= 0, tips, coloring, "Features, by prediction"),
            key="label_map_figure",
            revision=opened.key,
            height=420,
            selectable=True,
            sprites=sprite_sheet(opened.key, rows, labeling.images.images),
        )
    if chosen is not None and chosen["selected"]:
        selected = [int(row) for row in chosen["selected"] if 0 <= int(row) < len(labeling.names)]
        show_group(opened, selected[:MOST_IN_GROUP])
        st.rerun(scope="fragment")
