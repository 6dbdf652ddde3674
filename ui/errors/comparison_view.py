"""The most confident errors, and what another run makes of the same images."""

from __future__ import annotations

import numpy as np
import streamlit as st

from engine.runs.store import Run
from ui.errors.image_browser import Floats, Ids, browse, known, one
from ui.runs.image_gallery import Shown
from ui.runs.run_bar import Inside, opened
from ui.runs.run_names import run_name, run_titles
from ui.shell.page import plain
from ui.style import formatting

_KEY = "errors"


def worst_mistakes(inside: Inside, ids: Ids, probabilities: Floats, truth: Ids, part: str, step: int) -> None:
    st.subheader("Most confident mistakes", anchor=False)
    taken, sure = probabilities.argmax(1), probabilities.max(1).astype(float)
    wrong = np.flatnonzero(taken != truth)
    shown = [
        one(inside, int(ids[i]), int(truth[i]), int(taken[i]), sure[i])
        for i in wrong[np.argsort(-sure[wrong], kind="stable")]
    ]
    if shown:
        browse(inside, shown, part, step, "worst")
    else:
        st.caption("No mistake among these images.")


def against(inside: Inside, others: list[Run], part: str, step: int) -> None:
    """Which images another run gets right that this one does not, and the other way round."""
    titles = run_titles(others)
    chosen = st.selectbox(
        "Another run, B",
        [None, *titles],
        format_func=lambda run_id: titles[run_id] if run_id else "none",
        key=f"{_KEY}_other",
    )
    if chosen is None:
        return
    other = opened(next(run for run in others if run.id == chosen))
    ids, probabilities, truth = known(inside, step, part)
    theirs, their_probabilities, _ = known(other, other.steps[-1], part)
    both, mine, yours = np.intersect1d(ids, theirs, return_indices=True)
    if not len(both):
        st.info("The other run has no answers for these images at its last evaluation.")
        return
    a, b, t = probabilities[mine].argmax(1), their_probabilities[yours].argmax(1), truth[mine]
    fixed, broken = np.flatnonzero((a != t) & (b == t)), np.flatnonzero((a == t) & (b != t))
    st.markdown(
        f"Of {formatting.count(len(both))} images that both looked at, B fixes **{len(fixed)}** and breaks"
        f" **{len(broken)}**."
    )
    st.caption(
        f"This run after step {formatting.count(step)}, B ({plain(run_name(other.run))}) after its last,"
        f" {formatting.count(other.steps[-1])}."
    )
    left, right = st.columns(2)
    for column, title, rows, key in ((left, "Fixed by B", fixed, "fixed"), (right, "Broken by B", broken, "broken")):
        with column:
            st.markdown(f"**{title}**")
            shown = [Shown(int(both[i]), int(t[i]), int(a[i]), (f"B: {inside.class_names[int(b[i])]}",)) for i in rows]
            if shown:
                browse(inside, shown, part, step, key, narrow=True)
            else:
                st.caption("None.")
