"""How far a sweep is, and what can be done with it: pause, resume, stop, search further."""

from __future__ import annotations

import streamlit as st

from engine.tuning.sweep_folder import SweepFolder, SweepStatus, Trial
from engine.tuning.sweep_plan import SweepPlan
from ui.runs.current_run import open_page
from ui.shell.page import escape_markdown, show_errors
from ui.shell.server import lab, sweeps
from ui.style import formatting

_MORE_TRIALS = 10  # proposed for a sweep that is over
_WORDS = {"waiting": "Waiting to be trained …", "paused": "Paused", "stopped": "Stopped"}


def sweep_buttons(sweep: SweepFolder, status: SweepStatus) -> None:
    """Those that fit the sweep's state."""
    state = sweep.shown_state()
    with st.container(horizontal=True), show_errors():
        if sweep.is_leaving():
            st.caption("Stopping the run that trains …")
        elif state in ("running", "waiting"):
            if st.button("Pause", key="tune_pause", icon=":material/pause:"):
                sweep.want("pause")
                st.rerun()
            if st.button("Stop", key="tune_stop", icon=":material/stop:", help="Keeps all trials; can be resumed."):
                sweep.want("stop")
                st.rerun()
        elif state in ("paused", "stopped", "failed") and st.button(
            "Resume", key="tune_resume", icon=":material/resume:"
        ):
            sweeps().go_on(sweep)
            st.rerun()
        elif state == "finished":
            with st.popover("More trials", icon=":material/add:", key="tune_more"):
                _more(sweep)
        training = next(
            (draw.run for trial in status.trials if trial.state == "running" for draw in trial.draws[-1:]), ""
        )
        if training and st.button("Watch the run", key="tune_watch", icon=":material/show_chart:"):
            open_page("pages/train.py", training)


def _more(sweep: SweepFolder) -> None:
    """A larger budget for a sweep that has used up its own."""
    plan = sweep.plan()
    st.markdown("The search goes on from the trials that are there.")
    trials = int(st.number_input("Further trials", 1, 1_000, _MORE_TRIALS, key="tune_more_trials"))
    minutes = None
    if plan.minutes:
        as_before = float(max(1, round(plan.minutes * trials / plan.trials)))
        further = st.number_input(
            "Further minutes of training", 0.5, None, as_before, 1.0, key=f"tune_more_minutes_{trials}"
        )
        minutes = plan.minutes + further
    if st.button("Search further", key="tune_go_further", icon=":material/play_arrow:"):
        with show_errors():
            sweeps().go_on(sweep, plan.trials + trials, minutes)
            st.rerun()


def sweep_progress(sweep: SweepFolder, plan: SweepPlan, status: SweepStatus) -> None:
    """Bar, trials, time trained and what trains now; or why it is over."""
    state = sweep.shown_state()
    counts = [f"{status.over} of {formatting.count(plan.trials)} trials"]
    for name in ("pruned", "failed"):
        if number := sum(trial.state == name for trial in status.trials):
            counts.append(f"{number} {name}")
    limit = f" of {plan.minutes:g} min" if plan.minutes else ""
    counts.append(f"{formatting.duration(status.seconds)}{limit} trained")
    share = status.over / plan.trials
    if plan.minutes:
        share = max(share, status.seconds / 60 / plan.minutes)
    now = ", ".join(_now(trial) for trial in status.trials if trial.state == "running")
    if state == "running":
        counts.append("testing on new draws of labels" if status.task == "fresh" else now)
    elif state in _WORDS:
        counts.insert(0, _WORDS[state])
    st.progress(min(1.0, share), text=" · ".join(filter(None, counts)))
    if state == "failed":
        st.error(escape_markdown(status.reason), icon=":material/error:")
    elif state == "finished" and status.reason:
        st.caption(escape_markdown(status.reason))
    if state == "waiting" and not lab().trains:
        st.info("Another FewLab trains in this checkpoints folder, and goes on with this sweep.")


def _now(trial: Trial) -> str:
    accuracy = "" if trial.accuracy is None else f" at {formatting.percent(trial.accuracy)}"
    return f"trial {trial.number}{accuracy}"
