"""A gallery of images of the evaluation, one of which opens."""

from __future__ import annotations

from collections.abc import Iterable

import streamlit as st

from engine.analysis.evaluated_run import EvaluatedRun, Predictions
from ui.runs.image_gallery import GalleryImage, image_gallery
from ui.runs.image_history import image_history
from ui.style import formatting

_GALLERY = 36  # images that are shown


def gallery_items(predictions: Predictions, positions: Iterable[int]) -> list[GalleryImage]:
    """The images at these positions, each with its confidence."""
    return [
        GalleryImage(
            int(predictions.ids[i]),
            int(predictions.true_labels[i]),
            int(predictions.labels[i]),
            (formatting.percent(float(predictions.confidence[i])),),
        )
        for i in positions
    ]


def image_browser(run: EvaluatedRun, images: list[GalleryImage], step: int, name: str, narrow: bool = False) -> None:
    """A click on an image opens its history below. name: of this gallery, among those of the page."""
    if len(images) > _GALLERY:
        st.caption(f"The first {_GALLERY} of {formatting.count(len(images))}.")
        images = images[:_GALLERY]
    # One image of the whole page is open: a click in another gallery closes it here.
    opened: tuple[str, str, int] = st.session_state.get("errors_image", ())
    is_here = bool(opened) and opened[:2] == (run.id, name) and any(image.id == opened[2] for image in images)
    selected = opened[2] if is_here else None
    clicked = image_gallery(run, images, f"errors_{name}", selected=selected)
    if clicked is not None:
        st.session_state["errors_image"] = (run.id, name, clicked)
        st.rerun(scope="fragment")
    if selected is not None:
        image_history(run, selected, step, f"errors_{name}", narrow=narrow)
