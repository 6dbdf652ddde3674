"""The classes: named, added, renamed, merged and put in order."""

from __future__ import annotations

import secrets

import streamlit as st

from engine.data.labels.label_records import Classes, Record, Rename
from engine.data.labels.labeling import Labeling, Standing
from engine.errors import LabelError

_LONGEST = 200


def say(labeling: Labeling, *records: Record) -> None:
    """Write what a form of the page says. Raises LabelError."""
    labeling.log.append(secrets.token_hex(8), 1, records)


def name_first_classes(labeling: Labeling) -> None:
    """For images without any class. Raises LabelError."""
    st.subheader("Which classes are there?", anchor=False)
    with st.form("label_first_classes", border=False):
        named = st.text_input("Names, separated by commas", placeholder="for example cat, dog, bird")
        if st.form_submit_button("Start labeling", type="primary"):
            classes = _names(named)
            if len(classes) < 2:
                raise LabelError("Name at least two classes, separated by commas.")
            say(labeling, Classes(classes=classes))
            st.rerun()


def class_list(labeling: Labeling, standing: Standing) -> None:
    """The editor, in a popover. Raises LabelError."""
    with st.popover("Classes", icon=":material/edit:", width="stretch"):
        with st.form("label_add_classes", border=False, clear_on_submit=True):
            named = st.text_input("New classes, separated by commas")
            if st.form_submit_button("Add"):
                say(labeling, Classes(classes=tuple(dict.fromkeys((*standing.classes, *_names(named))))))
                st.rerun()
        if not standing.classes:
            return
        before = st.selectbox("Class", standing.classes, key="label_class")
        place = standing.classes.index(before)
        with st.form("label_rename_class", border=False, clear_on_submit=True):
            after = st.text_input("New name", help="The name of another class merges the two.").strip()
            if st.form_submit_button("Rename or merge") and after:
                # The log need not name the classes that the images came with; it does before one gets another name.
                say(labeling, Classes(classes=standing.classes), Rename(of=before, to=after[:_LONGEST]))
                st.rerun()
        up, down = st.columns(2)
        for column, by, label in ((up, -1, "Move up"), (down, 1, "Move down")):
            other = place + by
            if column.button(
                label, key=f"label_move_{by}", width="stretch", disabled=not 0 <= other < len(standing.classes)
            ):
                moved = list(standing.classes)
                moved[place], moved[other] = moved[other], moved[place]
                say(labeling, Classes(classes=tuple(moved)))
                st.rerun()


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.strip()[:_LONGEST] for name in text.split(",") if name.strip()))
