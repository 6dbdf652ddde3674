"""Which sweep the page shows: the one in its address, else the one that runs, else the newest."""

from __future__ import annotations

import streamlit as st

from engine.tuning.sweep_folder import SweepFolder
from ui.shell.remembered import set_query_param
from ui.style import formatting


def pick_sweep(sweeps: list[SweepFolder]) -> SweepFolder:
    """A picker over at least one sweep; the choice is kept in the page's address."""
    by_name = {sweep.name: sweep for sweep in sweeps}
    asked = st.query_params.get("sweep")
    running = next((sweep.name for sweep in sweeps if sweep.wanted().action == "run"), None)
    current = asked if asked in by_name else running or sweeps[0].name
    titles = {name: f"{name} · {formatting.date(sweep.plan().created)}" for name, sweep in by_name.items()}
    chosen: str = st.selectbox(
        "Sweep",
        list(by_name),
        list(by_name).index(current),
        format_func=lambda name: titles[name],
        key=f"tune_sweep_{current}",
        label_visibility="collapsed",
    )
    set_query_param("sweep", chosen)
    return by_name[chosen]
