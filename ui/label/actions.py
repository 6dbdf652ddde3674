"""What can be done with the labels: a test set held back, labels out and in as CSV, predictions for all images, and a
race of methods on them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

from engine.csv_text import csv_text
from engine.data.labels.label_records import Labels
from engine.data.labels.labeling import Labeling, Standing
from engine.presets import PRESETS
from ui.label.class_list import say
from ui.label.image_choice import OpenSet
from ui.label.labels_as_csv import labels_as_csv
from ui.runs.current_run import open_comparison
from ui.shell.server import lab
from ui.style import formatting

_RACE = ("photos-probe", "photos-spread", "photos-self-training-probe", "photos-fine-tune", "photos-fixmatch")
_OWN = "My photos: "  # with which the presets' titles begin
_FEWEST = 2  # labels of each of two classes, below which no run can be measured


def actions(opened: OpenSet, standing: Standing) -> None:
    """Inside a fragment. Raises LabelError."""
    labeling = opened.labeling
    with st.popover("Test set", icon=":material/lock:", width="stretch"):
        _test_set(labeling, standing)
    with st.popover("Labels as CSV", icon=":material/table:", width="stretch"):
        labels_as_csv(opened, standing)
    if standing.head is not None:
        st.download_button(
            "Predictions as CSV",
            lambda: _predictions(labeling, standing),
            f"{opened.folder.name}-predictions.csv",
            "text/csv",
            key="label_predictions",
            icon=":material/download:",
            width="stretch",
            on_click="ignore",
            help="For all images, by file name, the most doubtful first.",
        )
    enough = sum(count >= _FEWEST for count in standing.counts) >= 2
    with st.popover(
        "Race methods",
        icon=":material/sports_score:",
        width="stretch",
        type="primary",
        disabled=not enough,
        help=None if enough else "Label two images in each of two classes first.",
    ):
        _race(opened, standing.given)


def _test_set(labeling: Labeling, standing: Standing) -> None:
    waiting = int((standing.held_back & ~standing.closed).sum())
    if standing.given.held_back:
        st.markdown(
            f"{formatting.count(len(standing.given.held_back))} images are held back, and"
            f" {formatting.count(waiting)} of them wait for a label. No run is trained on them."
        )
    else:
        st.markdown(
            "A random part of all images, labeled first and never trained on: accuracy on it holds for all of them."
        )
    most = max(1, len(labeling.names) // 2)
    count = st.number_input("Images", min(10, most), most, min(100, most), 10, key="label_hold_back_count")
    if st.button("Draw another test set" if standing.given.held_back else "Hold these back", key="label_hold_back"):
        say(labeling, labeling.draw_test_set(int(count)))
        st.rerun()


def _predictions(labeling: Labeling, standing: Standing) -> str:
    head = standing.head
    assert head is not None
    order = np.argsort(head.margins, kind="stable")
    rows = [
        (
            labeling.names[row],
            standing.classes[head.predictions[row]],
            f"{head.probabilities[row].max():.4f}",
            standing.classes[standing.labels[row]] if standing.labels[row] >= 0 else "",
        )
        for row in order
    ]
    return csv_text([("file", "prediction", "probability", "label"), *rows])


def _race(opened: OpenSet, given: Labels) -> None:
    """Queue one run of each chosen method on the labels as they are now, and go where they are compared."""
    chosen = st.multiselect(
        "Methods",
        _RACE,
        _RACE[:2],
        format_func=lambda name: f"{PRESETS[name].title.removeprefix(_OWN)} ({PRESETS[name].duration})",
        key="label_race_methods",
    )
    if not st.button(
        f"Start {formatting.count(len(chosen))} {'run' if len(chosen) == 1 else 'runs'}",
        key="label_race",
        type="primary",
        disabled=not chosen,
    ):
        return
    data: dict[str, Any] = {
        **opened.data,
        "label_log": str(opened.folder),
        "label_records": given.number,
        "labels": {"kind": "all"},
    }
    open_comparison([lab().submit({**PRESETS[name].config, "data": data}).id for name in chosen])
