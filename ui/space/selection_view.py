"""The images of the selected points, and the nearest neighbors of one."""

from __future__ import annotations

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from engine.analysis.evaluated_run import EvaluatedRun
from engine.analysis.neighbors import nearest_neighbors
from engine.id_positions import find_ids, positions_of
from engine.lab.projections.projection_inputs import ProjectionInputs
from engine.runs.projections import Projection
from ui.runs.image_gallery import GalleryImage, image_gallery
from ui.runs.image_panel import show_image
from ui.runs.label_group import MOST_IN_GROUP, can_be_labeled, label_together
from ui.shell.page import show_errors
from ui.space.selection import clear_selection, open_image, selected_images, show_neighbors_of
from ui.style import formatting

_GALLERY, _LABELED, _NEIGHBORS = 60, 24, 12  # images that are shown


def selection_view(run: EvaluatedRun, inputs: ProjectionInputs, projection: Projection, step: int, page: str) -> None:
    """The selected images that are among the points, and while none is selected the labeled ones; one of them, clicked,
    opens and shows its nearest neighbors.
    """
    selected = selected_images(run)
    if not selected:
        st.caption("Lasso or click points to see their images.")
        labeled = np.flatnonzero(projection.part == 0)
        if run.images is not None and 0 < len(labeled) < len(projection.ids):  # as the map marks them
            more = f", the first {_LABELED} shown" if len(labeled) > _LABELED else ""
            st.markdown(f"**{formatting.count(len(labeled))} labeled**, the diamonds of the map{more}")
            _images_of(run, inputs, projection, labeled[:_LABELED], step, page, "space_labeled")
        return
    positions = find_ids(np.array(selected), projection.ids)
    positions = positions[positions >= 0]
    more = f", the first {_GALLERY} of them shown" if len(positions) > _GALLERY else ""
    st.markdown(f"**{formatting.count(len(positions))} selected**{more}")
    with st.container(horizontal=True):
        if can_be_labeled(run) and st.button(
            "Label these" if len(positions) <= MOST_IN_GROUP else f"Label the first {MOST_IN_GROUP}",
            key="space_label",
            icon=":material/new_label:",
            help="Shows them on the board of the Label page, where a group gets its label at once.",
        ):
            with show_errors():
                label_together(run, [int(sample) for sample in projection.ids[positions]])
        if st.button("Clear selection", key="space_forget", type="tertiary"):
            clear_selection(run)
            st.rerun()
    _images_of(run, inputs, projection, positions[:_GALLERY], step, page, "space_gallery")


def _images_of(
    run: EvaluatedRun,
    inputs: ProjectionInputs,
    projection: Projection,
    positions: NDArray[np.int64],
    step: int,
    page: str,
    key: str,
) -> None:
    """positions: among the points of the map."""
    ids = projection.ids[positions]
    predicted, confidence = run.predictions_of(ids, step)
    images = [
        GalleryImage(int(sample), int(truth), int(label), (formatting.percent(float(share)),) if label >= 0 else ())
        for sample, truth, label, share in zip(ids, projection.labels[positions], predicted, confidence, strict=True)
    ]
    opened = open_image(run)
    clicked = image_gallery(run, images, key, selected=opened, thumb=48)
    if clicked is not None:
        show_neighbors_of(run, clicked)
        show_image(run, clicked, page)
    if opened is not None and opened in projection.ids:
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
