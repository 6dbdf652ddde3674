"""The classes: named, added, renamed, merged, put in order and taken away again."""

from __future__ import annotations

import secrets

import streamlit as st

from engine.data.labels.class_names import class_called, with_classes
from engine.data.labels.label_records import Classes, Record, Rename
from engine.data.labels.labeling import Labeling, Standing
from engine.errors import LabelError
from ui.shell.page import escape_markdown, show_errors

_CUT = 22  # letters of a class from which on the list, which is as narrow as its column, shows no more


def say(labeling: Labeling, *records: Record) -> None:
    """Write what a form of the page says. Raises LabelError."""
    labeling.log.append(secrets.token_hex(8), 1, records)


def name_first_classes(labeling: Labeling) -> None:
    """For images without any class. Raises LabelError."""
    st.subheader("Which classes are there?", anchor=False)
    with st.form("label_first_classes", border=False):
        named = st.text_input("Names, separated by commas", placeholder="for example cat, dog, bird")
        if st.form_submit_button("Start labeling", type="primary"):
            classes = with_classes((), named)
            if len(classes) < 2:
                raise LabelError("Name at least two classes, separated by commas.")
            say(labeling, Classes(classes=classes))
            st.rerun()


def class_list(labeling: Labeling, standing: Standing) -> None:
    """The editor, in a popover."""
    with st.popover("Classes", icon=":material/edit:", width="stretch"), show_errors():
        _add(labeling, standing)
        if standing.classes:
            name = st.selectbox("Class", standing.classes, key="label_class")
            if len(name) > _CUT:
                st.caption(escape_markdown(name))
            _rename(labeling, standing, name)
            _move_or_delete(labeling, standing, name)


def _add(labeling: Labeling, standing: Standing) -> None:
    with st.form("label_add_classes", border=False, clear_on_submit=True):
        named = st.text_input("New classes, separated by commas")
        if st.form_submit_button("Add"):
            classes = with_classes(standing.classes, named)
            if classes == standing.classes:
                raise LabelError(
                    "These classes are there already: capitals and spaces make no new one."
                    if named.strip(" ,")
                    else "Type the name of a new class first."
                )
            say(labeling, Classes(classes=classes))
            st.rerun()


def _rename(labeling: Labeling, standing: Standing, before: str) -> None:
    with st.form("label_rename_class", border=False, clear_on_submit=True):
        named = st.text_input("New name", help="The name of another class merges the two.")
        if st.form_submit_button("Rename or merge"):
            after = class_called(named, (name for name in standing.classes if name != before))
            if not after:
                raise LabelError(f"Type the new name of {before!r} first.")
            # The log need not name the classes that the images came with; it does before one gets another name.
            say(labeling, Classes(classes=standing.classes), Rename(of=before, to=after))
            st.rerun()


def _move_or_delete(labeling: Labeling, standing: Standing, name: str) -> None:
    classes, place = list(standing.classes), standing.classes.index(name)
    up, down = st.columns(2)
    for column, by, label in ((up, -1, "Move up"), (down, 1, "Move down")):
        other = place + by
        if column.button(label, key=f"label_move_{by}", width="stretch", disabled=not 0 <= other < len(classes)):
            classes[place], classes[other] = classes[other], classes[place]
            say(labeling, Classes(classes=tuple(classes)))
            st.rerun()
    has_labels = standing.counts[place] > 0
    if st.button(
        "Delete this class",
        key="label_delete_class",
        width="stretch",
        disabled=has_labels or len(classes) < 3,
        help="It has labels: merge it into another class." if has_labels else "At least two classes stay.",
    ):
        say(labeling, Classes(classes=tuple(classes[:place] + classes[place + 1 :])))
        st.rerun()
