"""The runs of a sweep stand together in the list of runs, folded away: forty trials would hide all others."""

from __future__ import annotations

import streamlit as st

from engine.runs.store import Run
from engine.tuning.sweep_folder import SweepFolder
from ui.run_list.actions import actions
from ui.run_list.run_table import run_table
from ui.shell.page import expander
from ui.style import formatting


def without_sweeps(runs: list[Run], sweeps: list[SweepFolder]) -> list[Run]:
    """Those that belong to no sweep."""
    grouped = {run_id for sweep in sweeps for run_id in sweep.status().run_ids()}
    return [run for run in runs if run.id not in grouped]


def sweep_groups(shown: list[Run], sweeps: list[SweepFolder]) -> None:
    """A table for each sweep that some of the runs belong to."""
    for sweep in sweeps:
        status = sweep.status()
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
                chosen = run_table(runs, key)
                with line:
                    actions(chosen, key)
