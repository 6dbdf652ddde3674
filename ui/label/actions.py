"""What can be done with the labels: a test set held back, labels out and in as CSV, predictions for all images, and a
race of methods on them.
"""

from __future__ import annotations

import csv
import io
from typing import Any

import numpy as np
import streamlit as st

from engine.csv_text import csv_text
from engine.data.labels.label_records import Label, Labels
from engine.data.labels.labeling import Labeling, Standing
from engine.errors import LabelError
from engine.presets import PRESETS
from ui.label.class_list import say
from ui.label.image_choice import OpenSet
from ui.runs.current_run import open_comparison
from ui.shell.server import lab
from ui.style import formatting

_RACE = ("photos-probe", "photos-spread", "photos-self-training-probe", "photos-fine-tune", "photos-fixmatch")
_OWN = "My photos: "  # with which the presets' titles begin
_FEWEST = 2  # labels of each of two classes, below which no run can be measured
_LARGEST_CSV = 20 << 20


def actions(opened: OpenSet, standing: Standing) -> None:
    """Inside a fragment. Raises LabelError."""
    labeling = opened.labeling
    with st.popover("Test set", icon=":material/lock:", width="stretch"):
        _test_set(labeling, standing)
    with st.popover("Labels as CSV", icon=":material/table:", width="stretch"):
        _labels_as_csv(opened, standing)
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
    most = max(10, len(labeling.names) // 2)
    count = st.number_input("Images", 10, most, min(100, most), 10, key="label_hold_back_count")
    if st.button("Draw another test set" if standing.given.held_back else "Hold these back", key="label_hold_back"):
        say(labeling, labeling.draw_test_set(int(count)))
        st.rerun()


def _labels_as_csv(opened: OpenSet, standing: Standing) -> None:
    labeling = opened.labeling
    rows = [
        (labeling.names[row], standing.classes[standing.labels[row]], _how(standing, labeling.names[row]))
        for row in np.flatnonzero(standing.labels >= 0)
    ]
    st.download_button(
        "Download",
        csv_text([("file", "class", "given"), *rows]),
        f"{opened.folder.name}-labels.csv",
        "text/csv",
        key="label_csv",
        width="stretch",
        on_click="ignore",
    )
    uploaded = st.file_uploader("Or bring labels: columns file and class", type=["csv"], key="label_csv_in")
    if uploaded is not None and st.button("Add these labels", key="label_csv_add", width="stretch"):
        added, unknown = _add(labeling, uploaded.getvalue())
        st.toast(
            f"{formatting.count(added)} labels were added."
            + (f" {formatting.count(unknown)} names are not among the images." if unknown else "")
        )
        st.rerun()


def _how(standing: Standing, name: str) -> str:
    given = standing.given.given.get(name)
    return "came with the images" if given is None else given.how


def _add(labeling: Labeling, content: bytes) -> tuple[int, int]:
    """Labels added, and names that no image has. Raises LabelError."""
    if len(content) > _LARGEST_CSV:
        raise LabelError(f"The file has more than {_LARGEST_CSV >> 20} MB, which is no list of labels.")
    try:
        text = content.decode("utf-8-sig")
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
    except (UnicodeDecodeError, csv.Error):
        raise LabelError("The file is no CSV in UTF-8: save it again as such.") from None
    if not rows or "file" not in rows[0] or "class" not in rows[0]:
        raise LabelError("The file has no columns named file and class: its first line must name them.")
    by_class: dict[str, list[str]] = {}
    unknown = 0
    for row in rows:
        name, of = (_as_it_was(row[column] or "") for column in ("file", "class"))
        if of and name in labeling.position:
            by_class.setdefault(of[:200], []).append(name)
        elif of:
            unknown += 1
    if not by_class:
        raise LabelError("None of the names in the column file is that of an image here.")
    say(labeling, *(Label(images=tuple(names), of=of, how="imported") for of, names in by_class.items()))
    return sum(map(len, by_class.values())), unknown


def _as_it_was(cell: str) -> str:
    """Text without the apostrophe that keeps a spreadsheet from taking it for a formula."""
    text = cell.strip()[:4096]
    return text[1:] if text[:1] == "'" and text[1:2] in ("=", "+", "-", "@") else text


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
