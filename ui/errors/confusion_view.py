"""The confusion matrix, the images behind a cell, and the figures of each class."""

from __future__ import annotations

import numpy as np
import streamlit as st

from engine.analysis.metrics import confusion, per_class
from ui.components.live_figure import live_figure
from ui.errors.confusions import cell_of, commonest_mistake
from ui.errors.image_browser import Floats, Ids, browse, one
from ui.figures.classification import CELLS_UP_TO, confusion_matrix
from ui.runs.run_bar import Inside
from ui.shell.page import plain
from ui.shell.remembered import address, follow, keep, kept
from ui.style import formatting

_KEY = "errors"


def matrix(inside: Inside, ids: Ids, probabilities: Floats, truth: Ids, part: str, step: int) -> None:
    counts = confusion(probabilities, truth)
    left, right = st.columns([3, 2])
    place = f"{_KEY}_cell_{inside.run.id}"
    follow("cell", place, inside.run.id, cell_of(len(inside.class_names)))
    with left:
        shares = False
        if len(inside.class_names) <= CELLS_UP_TO:
            words = {False: "counts", True: "shares of the true class"}
            shares = bool(
                st.segmented_control(
                    "Numbers in the cells",
                    list(words),
                    default=False,
                    format_func=lambda one: words[one],
                    key=f"{_KEY}_shares",
                )
            )
        drawn = confusion_matrix(counts, inside.class_names, shares=shares)
        clicked = live_figure(
            drawn,
            key=f"{_KEY}_matrix",
            revision=inside.run.id,
            height=460 if len(inside.class_names) <= CELLS_UP_TO else 640,
            clickable=True,
        )
        if clicked is not None and clicked["customdata"]:
            keep(place, (int(clicked["customdata"][0]), int(clicked["customdata"][1])))
    with right:
        chosen_cell: tuple[int, int] | None = kept(place, None)
        cell = chosen_cell or commonest_mistake(counts)
        address("cell", chosen_cell)
        if cell is None:
            st.success("Nothing is mistaken here.", icon=":material/check:")
            return
        true, taken = cell
        names = plain(inside.class_names[true]), plain(inside.class_names[taken])
        chosen = np.flatnonzero((truth == true) & (probabilities.argmax(1) == taken))
        st.markdown(
            f"**{len(chosen)} of {counts[true].sum()}: {names[0]}"
            + (f", taken for {names[1]}**" if true != taken else ", and recognized**")
        )
        st.caption("The commonest mistake; choose a cell to open its images." if chosen_cell is None else "")
        shown = [
            one(inside, int(ids[i]), int(truth[i]), int(taken), float(probabilities[i].max()))
            for i in chosen[np.argsort(-probabilities[chosen].max(1), kind="stable")]
        ]
        browse(inside, shown, part, step, "cell", narrow=True)


def classes(inside: Inside, probabilities: Floats, truth: Ids) -> None:
    st.subheader("Class by class", anchor=False)
    table = per_class(confusion(probabilities, truth))
    taken = np.bincount(probabilities.argmax(1), minlength=len(inside.class_names))
    rows = []
    for k, name in enumerate(inside.class_names):
        there, asked = (
            table["support"][k] > 0,
            taken[k] > 0,
        )  # of a class without images, or that nothing is taken for, a share says nothing
        figures_of = {
            "precision": 100 * float(table["precision"][k]) if asked else None,
            "recall": 100 * float(table["recall"][k]) if there else None,
            "F1": 100 * float(table["f1"][k]) if there or asked else None,
        }
        rows.append({"class": name, **figures_of, "pictures": int(table["support"][k])})
    shares = {
        name: st.column_config.NumberColumn(name, format=formatting.PERCENT_COLUMN)
        for name in ("precision", "recall", "F1")
    }
    st.dataframe(rows, hide_index=True, width="stretch", column_config=shares, placeholder=formatting.NOTHING)
