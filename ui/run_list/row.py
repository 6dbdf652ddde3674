"""One row of the list of runs, with what can be done to it."""

from __future__ import annotations

from functools import partial

import streamlit as st

from engine.lab.lab import NOT_DELETED
from engine.runs.folder import RESUMABLE
from engine.runs.store import Run
from ui.report.report import report
from ui.run_list.dialogs import confirm_delete, rename
from ui.run_list.sharing import share_dialog
from ui.runs.current_run import GHOST, open_page
from ui.runs.export_dialog import export_dialog
from ui.runs.prefill import announce_prefill, prefill
from ui.runs.run_names import automatic_name, headline_accuracy, run_name
from ui.shell.page import escape_markdown, show_errors
from ui.shell.server import lab
from ui.style import formatting


def settings_line(run: Run) -> str:
    """What a row says under the name."""
    seed = f"seed {run.config['seed']}"
    return f"{automatic_name(run.config)} · {seed}" if run.name else seed


def run_row(run: Run) -> None:
    status = run.status
    with st.container(border=True):
        about, results, actions = st.columns([4, 3, 4], vertical_alignment="center")
        about.markdown(f"**{escape_markdown(run_name(run))}**  \n{escape_markdown(settings_line(run))}")
        accuracy = headline_accuracy(run) or formatting.NOTHING
        results.markdown(
            f"{accuracy} · {status.state}  \n{formatting.duration(status.seconds)} · {formatting.date(run.created)}"
        )
        if status.reason and status.state in ("failed", "interrupted", "finished"):
            about.caption(escape_markdown(status.reason))
        with actions, st.container(horizontal=True):
            if st.button("Open", key=f"runs_open_{run.id}"):
                open_page("pages/train.py", run.id)
            if (
                status.state in RESUMABLE
                and run.id != lab().current
                and st.button("Resume", key=f"runs_resume_{run.id}")
            ):
                with show_errors():
                    lab().resume(run.id)
                    open_page("pages/train.py", run.id)
            if status.state == "queued":
                if st.button("Up", key=f"runs_up_{run.id}", icon=":material/arrow_upward:"):
                    with show_errors():
                        lab().move(run.id, -1)
                        st.rerun()
                if st.button("Cancel", key=f"runs_cancel_{run.id}"):
                    with show_errors():
                        lab().command(run.id, "stop")
                        st.rerun()
            if st.button("Edit as new run", key=f"runs_retrain_{run.id}"):
                with show_errors():
                    prefill(run.config)
                    announce_prefill()
                    st.session_state[GHOST] = run.id
                    open_page("pages/train.py", run.id)
            with st.popover("More", key=f"runs_more_{run.id}"):
                more_actions(run)


def more_actions(run: Run) -> None:
    """Those that are seldom wanted: rename, export, delete; and the model alone, if there is one."""
    if st.button("Rename", key=f"runs_rename_{run.id}", width="stretch"):
        rename(run)
    if run.folder.model_file.exists() and st.button(
        "Take the model along", key=f"runs_model_{run.id}", width="stretch"
    ):
        export_dialog(run)
    st.download_button(
        "Export",
        run.folder.as_zip,
        f"{run.id}.zip",
        "application/zip",
        key=f"runs_export_{run.id}",
        on_click="ignore",
        width="stretch",
    )
    st.download_button(
        "Report",
        partial(report, [run]),
        f"{run.id}.html",
        "text/html",
        key=f"runs_report_{run.id}",
        on_click="ignore",
        help="One HTML file with measurements, figures, images and settings, to read and send.",
        width="stretch",
    )
    if run.status.state in ("finished", "stopped") and st.button("Share", key=f"runs_share_{run.id}", width="stretch"):
        share_dialog(run)
    if st.button(
        "Delete",
        key=f"runs_delete_{run.id}",
        disabled=run.status.state in ("running", "paused") or not lab().may_delete,
        help=None if lab().may_delete else NOT_DELETED,
        width="stretch",
    ):
        confirm_delete(run)
