"""The trials of a sweep: one line each through its settings, what mattered, the best five."""

from __future__ import annotations

from typing import Any

import streamlit as st

from engine.tuning.sweep_folder import IMPORTANCE_FROM, SweepFolder, SweepStatus, Trial
from engine.tuning.sweep_plan import SweepPlan
from ui.components.live_figure import live_figure
from ui.figures.compare import importance_bars, parallel_coordinates
from ui.runs.current_run import open_comparison, open_page
from ui.runs.distinct_names import setting_titles, value_text
from ui.runs.prefill import announce_prefill, prefill
from ui.shell.page import escape_markdown, show_errors
from ui.style import formatting

_AXES = 8  # settings that parallel coordinates show side by side


def draw_trials(sweep: SweepFolder, plan: SweepPlan, status: SweepStatus) -> None:
    """Parallel coordinates of all trials that have an accuracy; the best are the brightest lines."""
    shown = [trial for trial in status.trials if trial.accuracy is not None and trial.state != "failed"]
    if not shown:
        st.caption("The line of the first trial appears when it is evaluated.")
        return
    dimensions = plan.dimensions[:_AXES]
    figure = parallel_coordinates(
        "Trials: settings and validation accuracy",
        [(one.key, [trial.values.get(one.key) for trial in shown]) for one in dimensions],
        [trial.accuracy or 0.0 for trial in shown],
        measure="validation accuracy",
        log={one.key for one in dimensions if one.log},
        titles=_titles(plan),
        say=value_text,
    )
    live_figure(figure, key="tune_parallel", revision=sweep.name, height=340)
    more = f" The first {_AXES} of {len(plan.dimensions)} settings." if len(plan.dimensions) > _AXES else ""
    st.caption(
        "Drag along an axis to follow the trials in that range. A pruned trial ends at the accuracy it was stopped at."
        + more
    )


def draw_importance(sweep: SweepFolder, plan: SweepPlan, status: SweepStatus) -> None:
    if status.importance:
        shares = sorted(status.importance.items(), key=lambda one: -one[1])[:_AXES]
        figure = importance_bars("What mattered", shares, _titles(plan))
        live_figure(figure, key="tune_importance", revision=sweep.name, height=90 + 34 * len(shares))
        return
    finished = sum(trial.state == "finished" for trial in status.trials)
    if finished < IMPORTANCE_FROM:
        st.caption(f"What mattered is told from {IMPORTANCE_FROM} finished trials on; {finished} so far.")
    else:
        st.caption("All finished trials are equally accurate: no setting mattered.")


def best_trials(plan: SweepPlan, status: SweepStatus) -> None:
    """The best five, with the ways to their runs."""
    best = status.best()
    st.subheader("Best five", anchor=False)
    if not best:
        st.caption("No trial has finished yet.")
        return
    own, titles = plan.own_values(), _titles(plan)
    for trial in best:
        about, actions = st.columns([5, 4], vertical_alignment="center")
        began = " · the settings it began with" if trial.values == own else ""
        about.markdown(
            f"**{formatting.percent(trial.accuracy)}** · trial {trial.number}{began}  \n"
            f"{escape_markdown('; '.join(_settings(titles, trial)))}"
        )
        with actions, st.container(horizontal=True, horizontal_alignment="right"):
            runs = [draw.run for draw in trial.draws]
            if runs and st.button("Open run", key=f"tune_open_{trial.number}", help="Its first run, on Train."):
                open_page("pages/train.py", runs[0])
            if st.button("Use settings", key=f"tune_use_{trial.number}", help="Put them into Train's form."):
                with show_errors():
                    prefill(plan.run_config("", trial.values, plan.config["seed"]))
                    announce_prefill()
                    open_page("pages/train.py")
    if len(best) > 1 and st.button("Compare these runs", key="tune_compare", icon=":material/compare_arrows:"):
        open_comparison([draw.run for trial in best for draw in trial.draws])


def _titles(plan: SweepPlan) -> dict[str, str]:
    return setting_titles([one.key for one in plan.dimensions], [plan.config])


def _settings(titles: dict[str, str], trial: Trial) -> list[str]:
    return [f"{titles.get(key, key)} {_shown(value, key)}" for key, value in trial.values.items()]


def _shown(value: Any, key: str) -> str:
    return formatting.decimal(value) if isinstance(value, float) else value_text(value, key)
