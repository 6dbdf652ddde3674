"""A gallery of images of the evaluation, one of which opens."""

from __future__ import annotations

from collections.abc import Iterable

import streamlit as st

from engine.analysis.evaluated_run import EvaluatedRun, Predictions
from ui.runs.image_gallery import GalleryImage, image_gallery, predicted_images
from ui.runs.image_panel import open_image, show_image
from ui.style import formatting

_GALLERY = 36  # images that are shown


def gallery_items(predictions: Predictions, positions: Iterable[int]) -> list[GalleryImage]:
    """The images at these positions, each with its confidence."""
    return predicted_images(predictions.as_pseudo_labels(), positions)


def image_browser(run: EvaluatedRun, images: list[GalleryImage], name: str, page: str) -> None:
    """A click on an image opens it. name: of this gallery, among those of the page."""
    if len(images) > _GALLERY:
        st.caption(f"The first {_GALLERY} of {formatting.count(len(images))}.")
        images = images[:_GALLERY]
    clicked = image_gallery(run, images, f"errors_{name}", selected=open_image(run, page))
    if clicked is not None:
        show_image(run, clicked, page)
