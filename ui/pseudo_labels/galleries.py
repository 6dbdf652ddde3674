"""Galleries of pseudo-labeled images."""

from __future__ import annotations

import streamlit as st

from engine.analysis.evaluated_run import EvaluatedRun
from engine.analysis.thresholds import PseudoLabelSet
from ui.pseudo_labels.selections import Selected, below_threshold, confident_errors, most_changed
from ui.runs.image_gallery import GalleryImage, image_gallery
from ui.style import formatting

_GALLERY = 36  # images that are shown
GALLERIES = {
    "mistakes": "Most confident errors",
    "below": "Just below the threshold",
    "flipped": "Prediction changed most often",
}
_EMPTY = {
    "mistakes": "No errors are known.",
    "below": "No prediction is below this threshold.",
    "flipped": "No prediction ever changed.",
}


def open_image(run: EvaluatedRun) -> int | None:
    """The image whose history is shown."""
    image: int | None = st.session_state.get(_state_key(run))
    return image


def galleries(run: EvaluatedRun, pseudo_labels: PseudoLabelSet, threshold: float) -> None:
    which = (
        st.segmented_control(
            "Images",
            list(GALLERIES),
            default="mistakes",
            format_func=lambda name: GALLERIES[name],
            key="pseudo_gallery_kind",
        )
        or "mistakes"
    )
    selected = _selected(run, pseudo_labels, threshold, which)
    if not selected:
        st.caption(_EMPTY[which])
        return
    if len(selected) > _GALLERY:
        st.caption(f"The first {_GALLERY} of {formatting.count(len(selected))}.")
    images = [
        GalleryImage(
            int(pseudo_labels.ids[i]),
            int(pseudo_labels.truth[i]),
            int(pseudo_labels.labels[i]),
            (formatting.percent(float(pseudo_labels.confidence[i])), *note),
        )
        for i, note in selected[:_GALLERY]
    ]
    clicked = image_gallery(run, images, f"pseudo_gallery_{which}", selected=open_image(run))
    if clicked is not None:
        st.session_state[_state_key(run)] = clicked
        st.rerun(scope="fragment")
    if open_image(run) is None:
        st.caption("Click an image to see its history.")


def _selected(run: EvaluatedRun, pseudo_labels: PseudoLabelSet, threshold: float, which: str) -> list[Selected]:
    if which == "mistakes":
        return confident_errors(pseudo_labels)
    if which == "below":
        return below_threshold(pseudo_labels, threshold)
    return most_changed(pseudo_labels, run.prediction_history())


def _state_key(run: EvaluatedRun) -> str:
    return f"pseudo_image_{run.id}"
