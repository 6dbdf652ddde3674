"""Dialogs that rename or delete a run."""

from __future__ import annotations

import streamlit as st

from engine.runs.store import Run
from ui.runs.current_run import forget_if_current
from ui.runs.run_names import run_name
from ui.shell.page import escape_markdown, show_errors
from ui.shell.server import lab
from ui.style import formatting


@st.dialog("Delete this run?")
def confirm_delete(run: Run) -> None:
    st.markdown(
        f"**{escape_markdown(run_name(run))}** and its {formatting.size(run.folder.size_on_disk())}"
        " of curves, snapshots and weights will be permanently deleted."
    )
    yes, no = st.columns(2)
    if yes.button("Delete it", type="primary", key="runs_delete_yes", width="stretch"):
        with show_errors():
            lab().delete(run.id)
            forget_if_current(run.id)
            st.rerun()
    if no.button("Keep it", key="runs_delete_no", width="stretch"):
        st.rerun()


@st.dialog("Delete this folder?")
def confirm_delete_unreadable(run_id: str) -> None:
    st.markdown(
        f"{escape_markdown(run_id)} cannot be opened here. If a newer FewLab wrote it, that one can open it."
        " Deleting it is permanent."
    )
    if st.button("Delete it", type="primary", key="runs_delete_unreadable_yes"):
        with show_errors():
            lab().delete(run_id)
            st.rerun()


@st.dialog("Rename this run")
def rename(run: Run) -> None:
    name = st.text_input("Name", run.config.get("name", ""), max_chars=200, key="runs_new_name")
    if st.button("Rename", type="primary", key="runs_rename_yes"):
        with show_errors():
            lab().store.rename(run.id, name.strip())
            st.rerun()
