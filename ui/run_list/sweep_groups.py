"""The runs of a sweep stand together in the list of runs, folded away: forty trials would hide all others."""

from __future__ import annotations

import streamlit as st

from engine.runs.store import Run
from engine.tuning.sweep_folder import SweepFolder
from ui.run_list.row import run_row
from ui.shell.page import expander
from ui.style import formatting


def sweep_groups(shown: list[Run], sweeps: list[SweepFolder], most: int) -> list[Run]:
    """Draw those of the runs that belong to a sweep, at most so many rows of each, and return the others. Interrupted
    ones are left where everybody looks for them.
    """
    grouped: set[str] = set()
    for sweep in sweeps:
        status = sweep.status()
        members = set(status.run_ids())
        runs = [run for run in shown if run.id in members and run.status.state != "interrupted"]
        if not runs:
            continue
        grouped |= {run.id for run in runs}
        best = status.best(1)
        accuracy = f" · best validation accuracy {formatting.percent(best[0].accuracy)}" if best else ""
        title = f"Sweep {sweep.name} · {len(runs)} run{'' if len(runs) == 1 else 's'}{accuracy}"
        if (more := expander(title, f"runs_sweep_{sweep.name}", icon=":material/tune:")) is not None:
            with more:
                st.page_link(
                    "pages/tune.py", label="Open on Tune", icon=":material/tune:", query_params={"sweep": sweep.name}
                )
                for run in runs[:most]:
                    run_row(run)
                if len(runs) > most:
                    st.caption(f"{formatting.count(len(runs) - most)} more: search to narrow the list.")
    return [run for run in shown if run.id not in grouped]
