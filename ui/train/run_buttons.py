"""Pause, resume, stop and retrain; and where a finished run leads."""

from __future__ import annotations

import streamlit as st

from engine.runs.folder import RESUMABLE
from engine.runs.store import Run
from ui.runs.current_run import GHOST
from ui.runs.prefill import prefill
from ui.shell.page import mistakes
from ui.shell.server import lab


def buttons(shown: Run) -> None:
    state, mine = shown.status.state, shown.id == lab().current
    spaces = st.columns([1, 1, 1, 1])
    with mistakes():
        if (
            state == "running"
            and mine
            and spaces[0].button("Pause", key="train_pause", icon=":material/pause:", width="stretch")
        ):
            lab().command(shown.id, "pause")
        if (state in RESUMABLE or (state == "paused" and mine)) and spaces[0].button(
            "Resume", key="train_resume", icon=":material/resume:", width="stretch"
        ):
            lab().resume(shown.id)
            st.rerun()
        if (state in ("running", "paused") and mine) or state == "queued":
            if spaces[1].button(
                "Stop",
                key="train_stop",
                icon=":material/stop:",
                width="stretch",
                help="Keeps the model; it can go on later.",
            ):
                lab().command(shown.id, "stop")
        elif spaces[0 if state in ("finished", "failed") else 1].button(
            "Retrain",
            key="train_retrain",
            icon=":material/replay:",
            width="stretch",
            help="Put these settings into the form; this run stays behind the new one as ghost curves.",
        ):
            prefill(shown.folder.config())
            st.session_state[GHOST] = shown.id
            st.rerun()
