"""How many training images keep their labels: a number of each class, all that were given, candidates, or none."""

from __future__ import annotations

from typing import Any

import streamlit as st

from ui.forms import schema_form as forms
from ui.forms.import_form import labels_given

Config = dict[str, Any]
_KINDS = {
    "few": "A few per class",
    "partial": "Several candidates each",
    "all": "All labels (supervised upper bound)",
    "none": "None",
}
_ALL_GIVEN = "All labels given"
# What each generator of candidates does not read.
_UNREAD = {
    "uniform": ("run", "rule"),
    "confusable": ("run", "rule"),
    "given": ("rate", "repair", "run", "rule"),
}


def label_budget(values: Config, choices: Config, supervision: list[str], key: str, form: str) -> Config:
    """Draw the choice; returns the data's settings with its labels. A set that brings labels for some of its images
    only starts with all of those: whoever labeled a handful wants to use it.

    form: prefix of what is remembered until the form is filled in anew.
    """
    kinds = [kind for kind in _KINDS if kind in supervision]
    given = labels_given(values) if "all" in kinds else None
    brings_few = given is not None and given.labeled > 0 and given.unlabeled > 0
    counter = f"{form}_labels_given"  # how many sets the form has met that brought few labels
    is_named = bool(values.get("path") or values.get("root"))
    if (given is not None or not is_named) and _is_another_set(values, form) and brings_few:
        values = {**values, "labels": {"kind": "all"}}
        st.session_state[counter] = st.session_state.get(counter, 0) + 1
    # A widget under its old name would keep what was chosen for the set before.
    met = st.session_state.get(counter, 0)
    kind_key = f"{key}_kind_{met}" if met else f"{key}_kind"
    kind = values["labels"]["kind"]
    if len(kinds) > 1:
        titles = {**_KINDS, "all": _ALL_GIVEN} if brings_few else _KINDS
        kind = st.selectbox("Labels", kinds, kinds.index(kind), format_func=lambda kind: titles[kind], key=kind_key)
    labels = {**values["labels"], "kind": kind} if kind == values["labels"]["kind"] else {"kind": kind}
    schema = choices["labels"][kind]["schema"]
    skip: tuple[str, ...] = ()
    if kind == "partial":
        others = tuple(name for name in schema["properties"] if name != "generator")
        labels = forms.settings(schema, labels, f"{key}_{kind}", skip=others)
        unread = _UNREAD.get(labels["generator"], ())
        labels, skip = {name: value for name, value in labels.items() if name not in unread}, ("generator", *unread)
    return {**values, "labels": forms.settings(schema, labels, f"{key}_{kind}", advanced=False, skip=skip)}


def more_of_labels(values: Config, choices: Config, key: str) -> Config:
    """The settings of the labels that few need to change, to be drawn under "More settings"."""
    labels = values["labels"]
    kind = labels["kind"]
    skip = _UNREAD.get(labels.get("generator", ""), ())
    schema = choices["labels"][kind]["schema"]
    return {**values, "labels": forms.settings(schema, labels, f"{key}_{kind}", advanced=True, skip=skip)}


def _is_another_set(values: Config, form: str) -> bool:
    """Whether these images are not those that the form was last seen with; a form that was filled in with images came
    with labels, too.
    """
    here = [values["name"], values.get("path"), values.get("root")]
    state_key = f"{form}_labels_of"
    before = st.session_state.get(state_key)
    st.session_state[state_key] = here
    return before is not None and before != here
