"""What an experiment asks and where to look, above its runs."""

from __future__ import annotations

from collections.abc import Collection

import streamlit as st

from engine.presets.experiments import experiment_of
from engine.runs.store import Run


def experiment_guide(runs: Collection[Run]) -> None:
    """Said where all runs are of one experiment, by their names."""
    experiment = experiment_of([run.name for run in runs])
    if experiment is not None:
        st.info(f"{experiment.question} {experiment.look}", icon=":material/experiment:")
