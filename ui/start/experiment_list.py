"""Experiments: each a question with the runs that answer it, one click."""

from __future__ import annotations

import streamlit as st

from engine.config.overlay import apply_changes
from engine.presets import PRESETS
from engine.presets.experiments import EXPERIMENTS, Experiment, run_name
from ui.runs.current_run import open_comparison
from ui.shell.page import show_errors
from ui.shell.server import catalog, lab
from ui.start.begin import starts_at_once, use_settings


def experiment_list() -> None:
    """Those on built-in images run at once and open on Compare; of the others, each run's settings fill in the form."""
    for key, experiment in EXPERIMENTS.items():
        with st.container(border=True):
            what, action = st.columns([5, 2], vertical_alignment="center")
            what.markdown(
                f"**{experiment.title}** · {experiment.duration}  \n{experiment.question}\n\n"
                f"*Expect:* {experiment.expected}\n\n*Look:* {experiment.look}"
            )
            with action:
                if all(starts_at_once(variation.preset) for variation in experiment.variations):
                    if st.button("Run it", key=f"start_experiment_{key}", width="stretch"):
                        run(experiment)
                else:
                    _settings_of_each(key, experiment)


def run(experiment: Experiment) -> None:
    """Queue its runs and watch them side by side."""
    with st.spinner("Starting …"), show_errors():
        started = [
            lab().submit(
                apply_changes(
                    PRESETS[variation.preset].config, {**variation.changes, "name": run_name(experiment, variation)}
                )
            )
            for variation in experiment.variations
        ]
        open_comparison([folder.id for folder in started])


def _settings_of_each(key: str, experiment: Experiment) -> None:
    for number, variation in enumerate(experiment.variations):
        if st.button(variation.name, key=f"start_experiment_{key}_{number}", width="stretch"):
            with show_errors():
                config = catalog()["presets"][variation.preset]["config"]
                use_settings(apply_changes(config, {**variation.changes, "name": run_name(experiment, variation)}))
