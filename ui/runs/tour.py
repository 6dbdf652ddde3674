"""A tour of four steps, in the sidebar, until it has been walked through or dismissed: then never again for this folder
of runs.
"""

from __future__ import annotations

from typing import NamedTuple

import streamlit as st

from engine.runs.atomic_write import write_json
from ui.runs.current_run import open_page
from ui.shell.server import lab

_SEEN = ".tour.json"  # in the folder of the runs
_STEP = "tour_step"


class Step(NamedTuple):
    """page: where it is taken."""

    page: str
    words: str


STEPS = (
    Step(
        "pages/start.py",
        "**Press Try it** on *Few labels, many images*: a network learns handwritten digits from two labels of each.",
    ),
    Step(
        "pages/train.py",
        "**Watch it learn.** Move the threshold τ meanwhile: it decides which of its own answers the network trusts as"
        " labels.",
    ),
    Step(
        "pages/pseudo_labels.py",
        "**See what it trusted**, and what of it was wrong. An image opens its history wherever it is clicked.",
    ),
    Step(
        "pages/data.py",
        "**Bring your own photos**: a folder or a zip, with a few labels or none. Page Label finds those worth"
        " labeling.",
    ),
)


def tour() -> None:
    if st.session_state.get(_STEP) is None and (lab().store.root / _SEEN).exists():
        return
    number: int = st.session_state.setdefault(_STEP, 0)
    if number >= len(STEPS):
        return
    with st.sidebar, st.container(key="tour", gap="xsmall"):
        st.caption(f"Tour, step {number + 1} of {len(STEPS)}")
        st.markdown(STEPS[number].words)
        with st.container(horizontal=True, gap="small"):
            is_last = number == len(STEPS) - 1
            if st.button("Done" if is_last else "Next", key="tour_next"):
                _go_to(number + 1)
            if not is_last and st.button("No tour", key="tour_dismiss", type="tertiary"):
                _go_to(len(STEPS))


def _go_to(number: int) -> None:
    st.session_state[_STEP] = number
    if number >= len(STEPS):
        write_json(lab().store.root / _SEEN, {"seen": True})
        st.rerun()
    # On Train and Pseudo-labels the run of this tab is open, if there is one.
    open_page(STEPS[number].page, st.query_params.get("run"))
