"""Which runs are compared."""

from __future__ import annotations

import streamlit as st

from engine.runs.store import Run


def default_choice(runs: dict[str, Run]) -> list[str]:
    asked = [run_id for run_id in st.query_params.get_all("runs") if run_id in runs]
    kept = [run_id for run_id in st.session_state.get("compare_chosen", []) if run_id in runs]
    linked = st.query_params.get("run")  # from a page that looks at one run
    if not asked and linked in runs:
        return [linked, *(run_id for run_id in kept or list(runs)[:2] if run_id != linked)]
    return asked or kept or list(runs)[:2]
