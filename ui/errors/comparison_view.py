"""Which errors another run corrects, and which it makes anew."""

from __future__ import annotations

import streamlit as st

from engine.analysis.evaluated_run import EvaluatedRun, Predictions
from engine.runs.store import Run
from ui.errors.confusions import changes_between
from ui.errors.image_browser import image_browser
from ui.runs.image_gallery import GalleryImage
from ui.runs.run_bar import open_run
from ui.runs.run_names import run_name, run_titles
from ui.shell.page import escape_markdown
from ui.style import formatting


def compare_runs(run: EvaluatedRun, others: list[Run], predictions: Predictions, page: str) -> None:
    """Nothing but a picker until another run is chosen. others: of the same images."""
    titles = run_titles(others)
    chosen = st.selectbox(
        "Another run, B",
        [None, *titles],
        format_func=lambda run_id: titles[run_id] if run_id else "none",
        key="errors_other",
    )
    if chosen is None:
        return
    other = open_run(next(run for run in others if run.id == chosen))
    last = other.steps[-1]
    changes = changes_between(predictions, other.predictions(last, predictions.part).with_known_label())
    if not len(changes.ids):
        st.info("The last evaluation of that run has no predictions for these images.")
        return
    corrected, broken = len(changes.corrected), len(changes.broken)
    st.markdown(
        f"On the {formatting.count(len(changes.ids))} images both evaluated, B corrects **{corrected}**"
        f" error{'' if corrected == 1 else 's'} and makes **{broken}** new one{'' if broken == 1 else 's'}."
    )
    st.caption(
        f"This run after step {formatting.count(predictions.step)}; B ({escape_markdown(run_name(other.run))})"
        f" after its last, {formatting.count(last)}."
    )
    columns = st.columns(2)
    for column, title, positions, name in (
        (columns[0], "Corrected by B", changes.corrected, "fixed"),
        (columns[1], "New errors of B", changes.broken, "broken"),
    ):
        with column:
            st.markdown(f"**{title}**")
            images = [
                GalleryImage(
                    int(changes.ids[i]),
                    int(changes.true_labels[i]),
                    int(changes.first[i]),
                    (f"B: {run.class_names[int(changes.second[i])]}",),
                )
                for i in positions
            ]
            if images:
                image_browser(run, images, name, page)
            else:
                st.caption("None.")
