"""Images with a bar for each of their candidates, the true one marked."""

from __future__ import annotations

import numpy as np
import streamlit as st

from engine.analysis.candidate_weights import CandidateWeights
from engine.analysis.evaluated_run import EvaluatedRun
from ui.components.gallery import GalleryItem, gallery, image_uri
from ui.figures.candidate_bars import WIDTH, bars, in_words
from ui.style import formatting
from ui.style.theme import ink

_SHOWN, _COLUMNS = 12, 2
_WIDEST = 4  # bars of one image
_SIDE = 48  # screen pixels
KINDS = {
    "survivors": "Wrong survivors",
    "undecided": "Least decided",
    "identified": "Identified",
}
_EMPTY = {
    "survivors": "In no image a wrong candidate holds more than 0.9 of the weight.",
    "undecided": "No image has several candidates.",
    "identified": "In no image the true label holds more than 0.9 of the weight yet.",
}


def candidate_images(run: EvaluatedRun, weights: CandidateWeights) -> int | None:
    """Returns the id of an image that was clicked, once, else None."""
    if run.images is None:
        st.caption("The images themselves are not on this machine.")
        return None
    default = "survivors" if len(weights.wrong_survivors()) else "undecided"
    which = (
        st.segmented_control(
            "Images", list(KINDS), default=default, format_func=KINDS.__getitem__, key=f"candidates_kind_{run.id}"
        )
        or default
    )
    rows = {
        "survivors": weights.wrong_survivors,
        "undecided": weights.undecided,
        "identified": weights.decided_rightly,
    }[which]()
    if not len(rows):
        st.caption(_EMPTY[which])
        return None
    st.caption(
        f"The first {min(_SHOWN, len(rows))} of {formatting.count(len(rows))}; ✓ marks the true label, and only the"
        f" {_WIDEST} heaviest candidates are drawn."
    )
    asked = None
    columns = st.columns(_COLUMNS)
    for place, row in enumerate(rows[:_SHOWN]):
        with columns[place % _COLUMNS], st.container(horizontal=True, vertical_alignment="center"):
            sample = int(weights.ids[row])
            with st.container(width=_SIDE + 12):
                image = GalleryItem(sample, image_uri(run.pixels(sample)))
                clicked = gallery([image], key=f"candidates_open_{sample}", thumb=_SIDE)
            asked = clicked if clicked is not None else asked
            named = _named(run, weights, int(row))
            st.image(bars(named, ink()), width=WIDTH, alt=in_words(named))
    return asked


def _named(run: EvaluatedRun, weights: CandidateWeights, row: int) -> list[tuple[str, float]]:
    candidates = np.flatnonzero(weights.sets[row])
    heaviest = candidates[np.argsort(-weights.weights[row, candidates], kind="stable")][:_WIDEST]
    truth = int(weights.true_labels[row])
    return [(run.class_names[k] + (" ✓" if k == truth else ""), float(weights.weights[row, k])) for k in heaviest]
