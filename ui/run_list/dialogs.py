"""Dialogs that describe a run or delete some."""

from __future__ import annotations

import streamlit as st

from engine.runs.notes import LONGEST_NOTE, MOST_TAGS
from engine.runs.store import Run
from ui.runs.current_run import forget_if_current
from ui.runs.run_names import automatic_name, run_name, run_titles
from ui.shell.page import escape_markdown, show_errors
from ui.shell.server import lab
from ui.style import formatting

_NAMED = 12  # runs of one deletion


@st.dialog("Delete for good?")
def confirm_delete(runs: list[Run]) -> None:
    """Names what goes, each with what tells it from others of its name."""
    titles = run_titles(lab().store.runs())
    st.markdown("\n".join(f"- {escape_markdown(titles.get(run.id, run_name(run)))}" for run in runs[:_NAMED]))
    if len(runs) > _NAMED:
        st.markdown(f"and {len(runs) - _NAMED} more.")
    st.markdown(
        f"{formatting.size(sum(run.folder.size_on_disk() for run in runs))} of curves, snapshots and weights will be"
        " permanently deleted."
    )
    yes, no = st.columns(2)
    many = f"{len(runs)} runs" if len(runs) > 1 else "this run"
    if yes.button(f":red[Delete {many}]", key="runs_delete_yes", width="stretch"):
        with show_errors():
            for run in runs:
                lab().delete(run.id)
                forget_if_current(run.id)
            st.rerun()
    if no.button("Keep", key="runs_delete_no", width="stretch"):
        st.rerun()


@st.dialog("Delete this folder?")
def confirm_delete_unreadable(run_id: str) -> None:
    st.markdown(
        f"{escape_markdown(run_id)} cannot be opened here. If a newer FewLab wrote it, that one can open it."
        " Deleting it is permanent."
    )
    if st.button(":red[Delete this folder]", key="runs_delete_unreadable_yes"):
        with show_errors():
            lab().delete(run_id)
            st.rerun()


@st.dialog("Describe this run")
def describe(run: Run) -> None:
    """Its name, tags and note."""
    given = run.config.get("name", "")
    name = st.text_input("Name", given or automatic_name(run.config), max_chars=200, key="runs_new_name")
    with show_errors():
        run.folder.notes()  # says what cannot be read before it is written over
    known = sorted({tag for other in lab().store.runs() for tag in other.notes.tags}, key=str.lower)
    tags = st.multiselect(
        "Tags",
        known,
        default=list(run.notes.tags),
        accept_new_options=True,
        max_selections=MOST_TAGS,
        select_all=False,
        placeholder="Choose or type a word",
        key=f"runs_tags_{run.id}",
        help="Short words by which runs are found again, in the search and the filter of the list.",
    )
    note = st.text_area(
        "Note",
        run.notes.note,
        max_chars=LONGEST_NOTE,
        key=f"runs_note_{run.id}",
        placeholder="What was tried, and how it went",
    )
    if st.button("Save", type="primary", key="runs_describe_yes"):
        with show_errors():
            lab().store.annotate(run.id, note, tags)
            if name.strip() != automatic_name(run.config) or given:
                lab().store.rename(run.id, name.strip())
            st.rerun()
