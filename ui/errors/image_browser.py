"""A gallery of images of the evaluation, one of which opens."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from ui.runs.image_gallery import Shown, image_gallery
from ui.runs.image_history import biography
from ui.runs.run_bar import Inside
from ui.style import formatting

_KEY = "errors"
_GALLERY = 36
Ids = NDArray[np.int64]
Floats = NDArray[np.floating[Any]]


def known(inside: Inside, step: int, part: str) -> tuple[Ids, Floats, Ids]:
    """Ids, probabilities and true labels of the images of a part whose label is known."""
    ids, probabilities = inside.part(step, part)
    truth = inside.truth(ids)
    return ids[truth >= 0], probabilities[truth >= 0], truth[truth >= 0]


def browse(inside: Inside, shown: list[Shown], part: str, step: int, which: str, narrow: bool = False) -> None:
    """A gallery whose images open: the one that was chosen tells its life below."""
    if len(shown) > _GALLERY:
        st.caption(f"The first {_GALLERY} of {formatting.count(len(shown))}.")
        shown = shown[:_GALLERY]
    place = f"{_KEY}_image"
    before = st.session_state.get(place)
    chosen = (
        before[2]
        if before is not None and before[:2] == (inside.run.id, which) and any(one.id == before[2] for one in shown)
        else None
    )
    clicked = image_gallery(inside, shown, f"{_KEY}_{which}", selected=chosen)
    if clicked is not None:
        st.session_state[place] = (inside.run.id, which, clicked)
        st.rerun(scope="fragment")
    if chosen is not None:
        biography(inside, chosen, part, step, f"{_KEY}_{which}", narrow=narrow)


def one(inside: Inside, sample: int, truth: int, taken: int, confidence: float) -> Shown:
    return Shown(sample, truth, taken, (formatting.percent(confidence),))
