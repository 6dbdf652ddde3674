"""Labels out and in as CSV."""

from __future__ import annotations

import secrets

import numpy as np
import streamlit as st

from engine.csv_text import csv_text
from engine.data.importing.given_labels import GivenLabels
from engine.data.labels.imported_labels import as_records, read_labels
from engine.data.labels.labeling import Labeling, Standing
from engine.errors import LabelError
from ui.label.image_choice import OpenSet
from ui.shell.page import escape_markdown, show_errors
from ui.style import formatting

_NAMED = 3  # of the files that something is the matter with
_SAID = "label_csv_said"  # in the session: what became of the last file, and of which set


def labels_as_csv(opened: OpenSet, standing: Standing) -> None:
    """Inside a fragment."""
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
    if uploaded is None:
        return
    said: tuple[str, str] = st.session_state.get(_SAID, ("", ""))
    if st.button("Add these labels", key="label_csv_add", width="stretch"):
        with show_errors():
            st.session_state[_SAID] = (uploaded.file_id, _add(labeling, standing, uploaded.getvalue()))
            st.rerun()
    elif said[0] == uploaded.file_id:
        st.success(escape_markdown(said[1]), icon=":material/check:")


def _how(standing: Standing, name: str) -> str:
    given = standing.given.given.get(name)
    return "came with the images" if given is None else given.how


def _add(labeling: Labeling, standing: Standing, content: bytes) -> str:
    """What was added and what was left out, in a sentence each. Raises LabelError."""
    given = read_labels(content, labeling.names)
    records = as_records(given, labeling.names, standing.classes)
    if not records:
        reasons = _left_out(labeling, given)
        raise LabelError(" ".join(["The file gives no label to any of these images.", *reasons]))
    labeling.log.append(secrets.token_hex(8), 1, records)
    added = sum(len(record.images) for record in records)
    return " ".join(
        [
            "1 label was added." if added == 1 else f"{formatting.count(added)} labels were added.",
            *_left_out(labeling, given),
        ]
    )


def _left_out(labeling: Labeling, given: GivenLabels) -> list[str]:
    two = [labeling.names[row] for row in sorted(given.two)]
    of_kind = (
        (given.unknown, "name is not among the images", "names are not among the images"),
        (given.unclear, "name can mean several images", "names can mean several images"),
        (two, "image has two labels and got none", "images have two labels and got none"),
    )
    return [
        f"{formatting.count(len(names))} {one if len(names) == 1 else several}: {', '.join(names[:_NAMED])}"
        + (" …" if len(names) > _NAMED else ".")
        for names, one, several in of_kind
        if names
    ]
