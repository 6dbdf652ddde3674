"""The runs of a sweep stand together in the list of runs, folded away: forty trials would hide all others."""

from __future__ import annotations

import streamlit as st

from engine.runs.store import Run
from engine.tuning.sweep_folder import SweepFolder
from ui.run_list.actions import actions
from ui.run_list.run_table import run_table
from ui.runs.sweep_runs import readable
from ui.shell.page import expander
from ui.style import formatting


def sweep_groups(shown: list[Run], sweeps: list[SweepFolder], among: list[Run]) -> None:
    """A table for each sweep that some of the runs belong to. among: all runs, newest first."""
    for sweep, status in readable(sweeps):
        members = set(status.run_ids())
        runs = [run for run in shown if run.id in members]
        if not runs:
            continue
        best = status.best(1)
        accuracy = f" · best validation accuracy {formatting.percent(best[0].accuracy)}" if best else ""
        title = f"Sweep {sweep.name} · {len(runs)} run{'' if len(runs) == 1 else 's'}{accuracy}"
        if (more := expander(title, f"runs_sweep_{sweep.name}", icon=":material/tune:")) is not None:
            with more:
                st.page_link(
                    "pages/tune.py", label="Open on Tune", icon=":material/tune:", query_params={"sweep": sweep.name}
                )
                key = f"runs_of_{sweep.name}"
                line = st.container()
                chosen = run_table(runs, key, among)
                with line:
                    actions(chosen, key)
