"""Which runs are compared: those of a link, those chosen before, else the newest two that have a curve."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from engine.runs.store import Run
from ui.runs.current_run import compared_runs, remember_comparison, say_gone
from ui.runs.run_names import run_titles
from ui.shell.server import lab, title_of

_GENERATION = "compare_generation"
_FILTERS = (("method", "Method", "methods"), ("data", "Data set", "datasets"))


def pick_runs(runs: dict[str, Run], picker: DeltaGenerator, narrowing: DeltaGenerator) -> list[Run]:
    """The picker and its filters, each in its place; the choice is kept for this tab and in the page's address."""
    choice = _default_choice(runs)
    with narrowing.popover("Filter", icon=":material/filter_list:", width="stretch"):
        filters = {part: _filter(runs, part, title, table) for part, title, table in _FILTERS}
    offered = [
        run_id
        for run_id, run in runs.items()
        if run_id in choice or all(name in ("all", run.config[part]["name"]) for part, name in filters.items())
    ]
    titles = run_titles([runs[run_id] for run_id in offered])
    # Streamlit knows a choice by its text, and that changes when a run ends: then the widget is another one, which
    # begins with what was chosen.
    state_key = f"compare_runs_{st.session_state.get(_GENERATION, 0)}_{hash(tuple(titles.values()))}"
    chosen = picker.multiselect(
        "Runs, newest first", offered, choice, format_func=lambda run_id: titles[run_id], key=state_key
    )
    remember_comparison(chosen)
    if st.query_params.get_all("runs") != chosen:
        st.query_params["runs"] = chosen
    return [runs[run_id] for run_id in chosen]


def say_what_is_gone(runs: dict[str, Run]) -> None:
    """Of the runs in the page's address, those that are no run here, said once; to be called before the picker writes
    it anew.
    """
    linked = list(dict.fromkeys([*st.query_params.get_all("runs"), *st.query_params.get_all("run")]))
    unseen = [run_id for run_id in linked if run_id not in runs]
    if not unseen:
        return
    store = lab().store
    here = {run.id for run in store.runs()} | {folder.id for folder, _ in store.unreadable()}
    gone = [run_id for run_id in unseen if run_id not in here]
    if gone:
        say_gone(len(gone), len(linked))
    if st.query_params.get("run") in gone:
        st.query_params.pop("run")


def _filter(runs: dict[str, Run], part: str, title: str, table: str) -> str:
    """One of the names that the runs have, as it is called elsewhere, or "all"."""
    titles = {name: title_of(table, name) for name in {run.config[part]["name"] for run in runs.values()}}
    chosen: str = st.selectbox(
        title,
        ["all", *sorted(titles, key=lambda name: titles[name].lower())],
        format_func=lambda name: titles.get(name, name),
        key=f"compare_{part}",
    )
    return chosen


def choose_runs(run_ids: list[str]) -> None:
    """Compare these from the next look on."""
    remember_comparison(run_ids)
    st.query_params["runs"] = run_ids
    st.session_state[_GENERATION] = st.session_state.get(_GENERATION, 0) + 1


def _default_choice(runs: dict[str, Run]) -> list[str]:
    linked = [run_id for run_id in st.query_params.get_all("runs") if run_id in runs]
    current = st.query_params.get("run")  # from a page that looks at one run
    if not linked and current in runs:
        return [current, *(run_id for run_id in compared_runs(runs) if run_id != current)]
    return linked or compared_runs(runs)
