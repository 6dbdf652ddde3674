"""Pause, resume, stop and retrain; and where a finished run leads."""

from __future__ import annotations

import streamlit as st

from engine.runs.folder import RESUMABLE
from engine.runs.store import Run
from ui.runs.current_run import open_comparison, open_page
from ui.runs.ghost import ghost_of, offer_ghost
from ui.runs.prefill import announce_prefill, prefill, usable, with_features
from ui.runs.run_bar import page_links
from ui.runs.told import tell
from ui.shell.page import show_errors
from ui.shell.server import lab


def run_buttons(run: Run) -> None:
    """Those that fit the run's state. What was asked for is said at once, until the run has obeyed."""
    state, is_ours = run.status.state, run.id == lab().current
    with show_errors(), st.container(horizontal=True, gap="small"):
        if state == "running" and is_ours and st.button("Pause", key="train_pause", icon=":material/pause:"):
            tell(run, "pausing …")
            lab().command(run.id, "pause")
        if (state in RESUMABLE or (state == "paused" and is_ours)) and st.button(
            "Resume", key="train_resume", icon=":material/resume:"
        ):
            tell(run, "resuming …")
            lab().resume(run.id)
            st.rerun()
        if (state in ("running", "paused") and is_ours) or state == "queued":
            if st.button("Stop", key="train_stop", icon=":material/stop:", help="Keeps the model; can be resumed."):
                tell(run, "stopping …")
                lab().command(run.id, "stop")
        elif st.button(
            "Edit as new run",
            key="train_retrain",
            icon=":material/replay:",
            help="Put these settings into the form; this run is shown as a faint reference curve behind the new one.",
        ):
            prefill(run.folder.config())
            announce_prefill()
            offer_ghost(run.id)
            st.rerun()


def next_steps(run: Run) -> None:
    """What can be done with a run that has ended: look at it, predict, compare, build on its features."""
    columns = st.columns(3)
    if run.folder.snapshot_steps():
        page_links(run, ["pages/pseudo_labels.py", "pages/space.py", "pages/errors.py"])
    if run.folder.model_file.exists() and columns[0].button(
        "Predict with it", key="train_predict", icon=":material/image_search:", width="stretch"
    ):
        open_page("pages/predict.py", run.id)
    if usable(run) and columns[2].button(
        "Use these features",
        key="train_features",
        icon=":material/model_training:",
        width="stretch",
        help="Prefills the form to start from this network's features: FixMatch with a few labels, to begin with.",
    ):
        with show_errors():
            prefill(with_features(run))
            announce_prefill()
            offer_ghost(run.id)
            st.rerun()
    if columns[1].button("Compare", key="train_compare", icon=":material/compare_arrows:", width="stretch"):
        open_comparison([each.id for each in (run, ghost_of(run)) if each is not None])
    st.caption(
        "One run, one draw of labels. Another draw can differ by many points: run 5 seeds before quoting a number."
    )
