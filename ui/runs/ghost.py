"""The run whose curves stand behind those of another, and against which its numbers are held: the one looked at
before, until a person chooses another or none.
"""

from __future__ import annotations

import streamlit as st

from engine.errors import FewLabError
from engine.runs.store import Run
from ui.runs.current_run import GHOST
from ui.runs.distinct_names import what_differs
from ui.runs.run_names import method_title
from ui.shell.remembered import forget, remember, remembered
from ui.shell.server import lab

NOTHING = ""
_CHOSEN = "train_compare_with"  # remembered: a run's id, or NOTHING
_LONGEST = 28  # characters of a name in a legend


def alike(one: Run, other: Run) -> bool:
    """Whether their numbers answer the same question: on the same images, and either both of the run itself or both of
    a probe on features that were learned without labels.
    """
    return _question(one) == _question(other)


def like_runs(shown: Run) -> list[Run]:
    """Those that can stand behind it, newest first."""
    return [run for run in lab().store.runs() if run.id != shown.id and run.status.step > 0 and alike(run, shown)]


def ghost_of(shown: Run) -> Run | None:
    """The chosen run, else the one that was looked at before, while it is still there and like the one shown; None also
    where nothing is to stand behind it.
    """
    chosen = remembered(_CHOSEN, None)
    if chosen == NOTHING:
        return None
    for run_id in filter(None, (chosen, st.session_state.get(GHOST))):
        try:
            run = lab().store.run(run_id)
        except FewLabError:  # it is gone
            continue
        if run.id != shown.id and alike(run, shown):
            return run
    return None


def choose_ghost(run_id: str) -> None:
    """For this tab, whatever run is shown; NOTHING for none."""
    remember(_CHOSEN, run_id)


def offer_ghost(run_id: str) -> None:
    """Make it the ghost of what is started next from its settings, in place of an earlier choice."""
    st.session_state[GHOST] = run_id
    forget(_CHOSEN)


def ghost_name(ghost: Run, shown: Run) -> str:
    """Short, for a legend: the name that a person gave it, else what distinguishes it from the run shown: "τ 0.6"."""
    if ghost.name and ghost.name != shown.name:
        name = ghost.name
    elif ghost.config["method"]["name"] != shown.config["method"]["name"]:
        name = method_title(ghost.config)
    else:
        name = what_differs(["", ""], [ghost.config, shown.config])[0] or "earlier run"
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"


def _question(run: Run) -> tuple[object, ...]:
    data = run.config["data"]
    return data["name"], data.get("path"), (data.get("labels") or {}).get("kind") == "none"
