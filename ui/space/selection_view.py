"""The images of the selected points, and the nearest neighbors of one."""

from __future__ import annotations

import itertools

import numpy as np
import streamlit as st

from engine.analysis.evaluated_run import EvaluatedRun
from engine.analysis.neighbors import nearest_neighbors
from engine.id_positions import find_ids, positions_of
from engine.lab.projections.projection_inputs import ProjectionInputs
from engine.runs.projections import Projection
from ui.runs.image_gallery import GalleryImage, image_gallery
from ui.runs.image_panel import show_image
from ui.runs.label_group import MOST_IN_GROUP, can_be_labeled, label_together
from ui.shell.page import show_errors
from ui.space.chosen_images import ChosenImages, by_mistake, chosen_as_csv, in_one_line
from ui.space.map_view import travels
from ui.space.selection import clear_selection, open_image, selected_images, show_neighbors_of
from ui.style import formatting

_GALLERY, _LABELED, _NEIGHBORS = 60, 24, 12  # images that are shown


def selection_view(run: EvaluatedRun, inputs: ProjectionInputs, projection: Projection, step: int, page: str) -> None:
    """The selected images that are among the points, mistakes first, and while none is selected the labeled ones; one
    of them, clicked, opens and shows its nearest neighbors.
    """
    selected = selected_images(run)
    if not selected:
        st.caption(_how_to_choose(projection))
        labeled = np.flatnonzero(projection.part == 0)
        if run.images is not None and 0 < len(labeled) < len(projection.ids):  # as the map marks them
            more = f", the first {_LABELED} shown" if len(labeled) > _LABELED else ""
            st.markdown(f"**{formatting.count(len(labeled))} labeled**, the diamonds of the map{more}")
            _images_of(run, inputs, by_mistake(run, projection, labeled, step), _LABELED, step, page, "space_labeled")
        return
    positions = find_ids(np.array(selected), projection.ids)
    chosen = by_mistake(run, projection, positions[positions >= 0], step)
    more = f"; the first {_GALLERY} shown" if len(chosen.ids) > _GALLERY else ""
    st.markdown(in_one_line(chosen, run.class_names) + more)
    with st.container(horizontal=True):
        if can_be_labeled(run) and st.button(
            "Label these" if len(chosen.ids) <= MOST_IN_GROUP else f"Label the first {MOST_IN_GROUP}",
            key="space_label",
            icon=":material/new_label:",
            help="Shows them on the board of the Label page, where a group gets its label at once.",
        ):
            with show_errors():
                label_together(run, chosen.ids.tolist())
        if len(chosen.ids):
            st.download_button(
                "Download as CSV",
                chosen_as_csv(run, projection, chosen),
                f"{run.id}-selection.csv",
                "text/csv",
                key="space_csv",
                on_click="ignore",
                icon=":material/download:",
            )
        if st.button("Clear selection", key="space_forget", type="tertiary"):
            clear_selection(run)
            st.rerun()
    _images_of(run, inputs, chosen, _GALLERY, step, page, "space_gallery")


def _how_to_choose(projection: Projection) -> str:
    if travels(projection):
        return "Explore an evaluation to lasso or click its points."
    return (
        "Lasso or click points to see their images."
        if projection.frames.shape[2] == 2
        else "Click a point to see its image."
    )


def _images_of(
    run: EvaluatedRun, inputs: ProjectionInputs, chosen: ChosenImages, most: int, step: int, page: str, key: str
) -> None:
    """The first of the chosen images, at most so many."""
    rows = zip(chosen.ids, chosen.truth, chosen.predicted, chosen.confidence, strict=True)
    images = [
        GalleryImage(int(sample), int(truth), int(label), (formatting.percent(float(share)),) if label >= 0 else ())
        for sample, truth, label, share in itertools.islice(rows, most)
    ]
    opened = open_image(run)
    clicked = image_gallery(run, images, key, selected=opened, thumb=48)
    if clicked is not None:
        show_neighbors_of(run, clicked)
        show_image(run, clicked, page)
    if opened is not None and opened in inputs.ids:
        nearest_images(run, inputs, opened, step, page)


def nearest_images(run: EvaluatedRun, inputs: ProjectionInputs, image: int, step: int, page: str) -> None:
    st.markdown(f"**Nearest to image {image}** in the full space, by cosine")
    query = positions_of(np.array([image]), inputs.ids)
    nearest = nearest_neighbors(inputs.last(), _NEIGHBORS, "cosine", query)
    positions = nearest.indices[0]
    ids = inputs.ids[positions]
    predicted, _ = run.predictions_of(ids, step)
    rows = zip(ids, inputs.labels[positions], predicted, 1 - nearest.distances[0], strict=True)
    images = [GalleryImage(int(i), int(truth), int(label), (f"cos {cosine:.2f}",)) for i, truth, label, cosine in rows]
    clicked = image_gallery(run, images, "space_nearest", thumb=48)
    if clicked is not None:
        show_image(run, clicked, page)
