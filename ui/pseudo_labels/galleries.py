"""Galleries of pseudo-labeled images."""

from __future__ import annotations

import streamlit as st

from engine.analysis.evaluated_run import EvaluatedRun
from engine.analysis.thresholds import PseudoLabelSet
from ui.pseudo_labels.selections import Selected, above_threshold, below_threshold, confident_errors, most_changed
from ui.runs.image_gallery import image_gallery, predicted_images
from ui.runs.image_panel import open_image, show_image
from ui.style import formatting

_GALLERY = 24  # images that are shown: about as high as the histogram beside them
GALLERIES = {
    "above": "Just above τ",
    "below": "Just below τ",
    "mistakes": "Confident errors",
    "flipped": "Changed most often",
}
_EMPTY = {
    "above": "No prediction is at or above this threshold.",
    "below": "No prediction is below this threshold.",
    "mistakes": "No errors are known.",
    "flipped": "No prediction ever changed.",
}


def galleries(run: EvaluatedRun, pseudo_labels: PseudoLabelSet, threshold: float, page: str) -> None:
    """Begins with the images at the threshold, which change with it. A click on an image opens it on this page."""
    which = (
        st.segmented_control(
            "Images",
            list(GALLERIES),
            default="above",
            format_func=lambda name: GALLERIES[name],
            key="pseudo_gallery_kind",
            label_visibility="collapsed",
        )
        or "above"
    )
    selected = _selected(run, pseudo_labels, threshold, which)
    if not selected:
        st.caption(_EMPTY[which])
        return
    shown = selected[:_GALLERY]
    images = [
        image._replace(lines=(*image.lines, *note))
        for image, (_, note) in zip(predicted_images(pseudo_labels, [i for i, _ in shown]), shown, strict=True)
    ]
    clicked = image_gallery(run, images, f"pseudo_gallery_{which}", selected=open_image(run, page))
    if len(selected) > _GALLERY:
        st.caption(f"The first {_GALLERY} of {formatting.count(len(selected))}.")
    if clicked is not None:
        show_image(run, clicked, page)


def _selected(run: EvaluatedRun, pseudo_labels: PseudoLabelSet, threshold: float, which: str) -> list[Selected]:
    if which == "above":
        return above_threshold(pseudo_labels, threshold)
    if which == "mistakes":
        return confident_errors(pseudo_labels)
    if which == "below":
        return below_threshold(pseudo_labels, threshold)
    return most_changed(pseudo_labels, run.prediction_history())
