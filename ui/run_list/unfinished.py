"""Runs that want something: what trains, what waits in the queue, what was interrupted."""

from __future__ import annotations

import streamlit as st

from engine.runs.store import Run
from ui.run_list.actions import resume
from ui.runs.current_run import open_page
from ui.runs.run_names import told_apart
from ui.shell.page import escape_markdown, show_errors
from ui.shell.server import lab

UNFINISHED = ("running", "paused", "queued", "interrupted")


def unfinished_runs(runs: list[Run]) -> None:
    """One line each, in the order in which they will train; the interrupted ones last."""
    ordered = sorted(runs, key=lambda run: (UNFINISHED.index(run.status.state), run.status.order, run.id))
    first = next((run.id for run in ordered if run.status.state == "queued"), None)
    for run, name in zip(ordered, told_apart(ordered), strict=True):
        status = run.status
        with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"runs_line_{run.id}"):
            said = f"**{escape_markdown(name)}** · {status.state}"
            if status.state in ("running", "paused"):
                said += f", step {status.step:,} of {status.steps:,}"
            if status.reason and status.state == "interrupted":
                said += f": {escape_markdown(status.reason)}"
            if run.notes.tags:
                said += f" · {escape_markdown(', '.join(run.notes.tags))}"
            st.markdown(said, width="stretch", help=escape_markdown(run.notes.note) or None)
            if status.state == "queued":
                _queue_buttons(run, is_next=run.id == first)
            can_resume = status.state == "interrupted" and run.id != lab().current
            if can_resume and st.button("Resume", key=f"runs_resume_{run.id}"):
                resume(run)
            if st.button("Open", key=f"runs_open_{run.id}"):
                open_page("pages/train.py", run.id)


def _queue_buttons(run: Run, is_next: bool) -> None:
    up = st.button("Up", key=f"runs_up_{run.id}", icon=":material/arrow_upward:", disabled=is_next)
    cancel = st.button("Cancel", key=f"runs_cancel_{run.id}")
    with show_errors():
        if up:
            lab().move(run.id, -1)
            st.rerun()
        if cancel:
            lab().command(run.id, "stop")
            st.rerun()
