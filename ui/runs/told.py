"""What a run was told and has not done yet: said at once, while the training process is still at its step."""

from __future__ import annotations

import streamlit as st

from engine.runs.store import Run

_TOLD = "told"  # in the session: the run, and what is said until it has obeyed
_OBEYED = {
    "pausing …": ("paused", "stopped", "finished", "failed", "interrupted"),
    "resuming …": ("running", "queued", "finished", "failed"),
    "stopping …": ("stopped", "finished", "failed", "interrupted"),
}


def tell(run: Run, said: str) -> None:
    """Remember what this tab told the run: "pausing …", "resuming …" or "stopping …"."""
    st.session_state[_TOLD] = (run.id, said)


def told(run: Run) -> str:
    """What is still to be done; "" where the run has obeyed, or was told nothing."""
    run_id, said = st.session_state.get(_TOLD, ("", ""))
    return said if run_id == run.id and run.status.state not in _OBEYED[said] else ""
