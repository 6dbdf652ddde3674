"""What can be done with the chosen runs of a table."""

from __future__ import annotations

from functools import partial

import streamlit as st

from engine.lab.lab import NOT_DELETED
from engine.runs.folder import RESUMABLE, runs_as_zip
from engine.runs.store import Run
from ui.report.report import report
from ui.run_list.dialogs import confirm_delete, describe
from ui.run_list.sharing import share_dialog
from ui.runs.current_run import open_comparison, open_page
from ui.runs.export_dialog import export_dialog
from ui.runs.ghost import offer_ghost
from ui.runs.prefill import announce_prefill, prefill
from ui.shell.page import show_errors
from ui.shell.server import lab


def actions(chosen: list[Run], key: str) -> None:
    """One line of buttons; those that act on one run wait until exactly one is chosen."""
    one = chosen[0] if len(chosen) == 1 else None
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"{key}_actions"):
        if st.button("Edit as new run", key=f"{key}_retrain", disabled=one is None) and one is not None:
            with show_errors():
                prefill(one.config)
                announce_prefill()
                offer_ghost(one.id)
                open_page("pages/train.py", one.id)
        resumable = one is not None and one.status.state in RESUMABLE and one.id != lab().current
        if resumable and one is not None and st.button("Resume", key=f"{key}_resume"):
            resume(one)
        if st.button("Compare", key=f"{key}_compare", disabled=not chosen, icon=":material/compare_arrows:"):
            open_comparison([run.id for run in chosen])
        described = st.button("Describe", key=f"{key}_rename", disabled=one is None, help="Its name, tags and a note.")
        if described and one is not None:
            describe(one)
        menu = f"{key}_more_{st.session_state.get(_closed(key), 0)}"
        with st.popover("Take along", key=menu, disabled=not chosen, icon=":material/download:"):
            _take_along(chosen, one, key)
        alive = any(run.status.state in ("running", "paused") for run in chosen)
        if st.button(
            "Delete",
            key=f"{key}_delete",
            disabled=not chosen or alive or not lab().may_delete,
            help=None if lab().may_delete else NOT_DELETED,
            icon=":material/delete:",
        ):
            confirm_delete(chosen)
        st.caption(
            f"{len(chosen)} chosen" if chosen else "Choose runs by the boxes on the left; a heading sorts.",
            width="content",
        )


def resume(run: Run) -> None:
    with show_errors():
        lab().resume(run.id)
        open_page("pages/train.py", run.id)


def _take_along(chosen: list[Run], one: Run | None, key: str) -> None:
    if not chosen:
        return
    name = one.id if one is not None else "fewlab-runs"
    dialog = partial(_button_to_dialog, key)
    if one is not None and one.folder.model_file.exists() and dialog("Model", "model"):
        export_dialog(one)
    st.download_button(
        "Report",
        partial(report, chosen),
        f"{name}.html",
        "text/html",
        key=f"{key}_report",
        on_click="ignore",
        help="One HTML file with measurements, figures, images and settings, to read and send.",
        width="stretch",
    )
    st.download_button(
        "Folder" if one is not None else "Folders",
        partial(runs_as_zip, [run.folder for run in chosen]),
        f"{name}.zip",
        "application/zip",
        key=f"{key}_export",
        on_click="ignore",
        help="All files of the run, with what resuming needs.",
        width="stretch",
    )
    ended = all(run.status.state in ("finished", "stopped") for run in chosen)
    if ended and dialog("Share", "share"):
        share_dialog(chosen)


def _button_to_dialog(key: str, label: str, name: str) -> bool:
    """A button of the menu that closes it, which would lie over the dialog: one with another key is drawn closed."""

    def close_menu() -> None:
        st.session_state[_closed(key)] = st.session_state.get(_closed(key), 0) + 1

    return st.button(label, key=f"{key}_{name}", on_click=close_menu, width="stretch")


def _closed(key: str) -> str:
    """Where it is kept how often the menu was closed so."""
    return f"{key}_more_closed"
