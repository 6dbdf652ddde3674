"""Galleries of pseudo-labeled images."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

from engine.analysis.thresholds import Guesses
from ui.runs.image_gallery import Shown, image_gallery
from ui.runs.run_bar import Inside
from ui.style import formatting

_KEY = "pseudo"
_GALLERY = 36
GALLERIES = {
    "mistakes": "Most confident mistakes",
    "below": "Just below the threshold",
    "flipped": "Changed their mind most often",
}


def chosen_images(inside: Inside, guesses: Guesses, threshold: float, which: str) -> list[tuple[Any, ...]]:
    """All that belong there, the most telling first: places in `guesses`, each with what its caption adds."""
    confidence = guesses.confidence.astype(float)
    if which == "mistakes":
        wrong = np.flatnonzero(guesses.wrong)
        return [(int(i),) for i in wrong[np.argsort(-confidence[wrong], kind="stable")]]
    if which == "below":
        below = np.flatnonzero(confidence < threshold)
        return [(int(i),) for i in below[np.argsort(-confidence[below], kind="stable")]]
    lives = inside.lives()
    flips = lives.flips()
    order = [int(i) for i in np.argsort(-flips, kind="stable") if flips[i] > 0]
    places = {int(sample): place for place, sample in enumerate(guesses.ids)}
    return [(places[int(lives.ids[i])], f"{flips[i]} times") for i in order if int(lives.ids[i]) in places]


def galleries(inside: Inside, guesses: Guesses, threshold: float) -> None:
    which = (
        st.segmented_control(
            "Images",
            list(GALLERIES),
            default="mistakes",
            format_func=lambda one: GALLERIES[one],
            key=f"{_KEY}_gallery_kind",
        )
        or "mistakes"
    )
    shown = chosen_images(inside, guesses, threshold, which)
    if not shown:
        st.caption(
            {
                "mistakes": "No mistake is known.",
                "below": "Nothing lies below this threshold.",
                "flipped": "No image was ever taken for another class than before.",
            }[which]
        )
        return
    if len(shown) > _GALLERY:
        st.caption(f"The first {_GALLERY} of {formatting.count(len(shown))}.")
    images = [
        Shown(
            int(guesses.ids[i]),
            int(guesses.truth[i]),
            int(guesses.labels[i]),
            (formatting.percent(float(guesses.confidence[i])), *more),
        )
        for i, *more in shown[:_GALLERY]
    ]
    place = f"{_KEY}_image_{inside.run.id}"
    clicked = image_gallery(inside, images, f"{_KEY}_gallery_{which}", selected=st.session_state.get(place))
    if clicked is not None:
        st.session_state[place] = clicked
        st.rerun(scope="fragment")
    st.caption("Choose an image to read its biography." if place not in st.session_state else "")
