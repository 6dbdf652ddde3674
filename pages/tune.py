"""Tune: search for better settings by validation accuracy, then test the best on new draws of labels."""

from __future__ import annotations

import streamlit as st

from engine.tuning.sweep_folder import SweepFolder
from ui.runs.current_run import current_run
from ui.shell.page import empty_state, guarded_fragment, header, how_it_works, redraw_page, show_errors
from ui.shell.remembered import set_query_param
from ui.shell.server import lab, sweeps
from ui.tune.fresh_view import fresh_seeds
from ui.tune.progress_view import sweep_buttons, sweep_progress
from ui.tune.sweep_choice import pick_sweep
from ui.tune.sweep_form import sweep_form
from ui.tune.trials_view import best_trials, draw_importance, draw_trials

header("Tune", "Search for better settings by validation accuracy, then test the best on new draws of labels.")
_EVERY = 1.5  # seconds between two looks at a sweep that runs


def live_sweep(shown: SweepFolder) -> None:
    """Progress and trials, again and again while the sweep runs."""
    state, leaving, over = shown.shown_state(), shown.is_leaving(), shown.status().over
    is_active = leaving or state in ("running", "waiting")

    def live() -> None:
        status, plan = shown.status(), shown.plan()
        if (shown.shown_state(), shown.is_leaving(), status.over) != (state, leaving, over):
            redraw_page()  # the buttons and the best five
        sweep_progress(shown, plan, status)
        draw_trials(shown, plan, status)

    guarded_fragment(live, _EVERY if is_active else None)()


with st.container(key="tune_sides_run" if sweeps().store.sweeps() else "tune_sides"):
    form_side, sweep_side = st.columns([2, 5], gap="medium")

with sweep_side, show_errors():
    there = sweeps().store.sweeps()
    if not there:
        empty_state(
            "tune",
            "No sweep yet. Choose what varies and press Start: each trial is a line here, and the best five are runs to"
            " look into.",
            first_step=False,
        )
    else:
        left, right = st.columns([3, 4], vertical_alignment="center")
        with left:
            sweep = pick_sweep(there)
        status, plan = sweep.status(), sweep.plan()
        with right:
            sweep_buttons(sweep, status)
        live_sweep(sweep)
        left, right = st.columns(2, gap="medium")
        with left:
            fresh_seeds(sweep, plan, status)
        with right:
            draw_importance(sweep, plan, status)
        best_trials(plan, status)

asked = None
with form_side, st.container(key="tune_form_side"), show_errors():
    asked = sweep_form(lab().store.runs(), current_run())
with form_side, st.container(key="tune_launch"), show_errors():
    is_off = asked is None
    if st.button(
        "Start", type="primary", key="tune_start", width="stretch", icon=":material/play_arrow:", disabled=is_off
    ):
        assert asked is not None
        with st.spinner("Starting …"):
            begun = sweeps().begin(asked)
        set_query_param("sweep", begun.name)
        st.rerun()

how_it_works(
    "**The search.** The first trial is the settings as they are, where they lie in the ranges. The next are drawn at"
    " random; from the eleventh on, a tree-structured Parzen estimator proposes settings that are frequent among good"
    " trials and rare among poor ones (Bergstra et al. 2011; Optuna, Akiba et al. 2019, arXiv:1907.10902).",
    "**What it goes by.** The mean validation accuracy at the end of training, over the trial's draws of labels. Test"
    " images play no part. Trials share their draws, so they differ in their settings alone.",
    "**Pruning.** From a third of the steps on, a trial whose best validation accuracy so far is below the median of"
    " the finished trials at the same step is stopped, once eight have finished.",
    "**What mattered.** The share of the variance of accuracy that each setting explains by itself, by functional ANOVA"
    " over a random forest (Hutter et al. 2014).",
    "**New draws.** With few labels the draw of labels moves accuracy more than most settings do, and the best of forty"
    " trials is partly the luckiest. Only draws that no trial has seen tell what is left of a gain.",
)
