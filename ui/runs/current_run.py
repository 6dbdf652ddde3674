"""Which run a page looks at: the URL first, else what this tab looked at last, else nothing; written back to the
URL.
"""

from __future__ import annotations

import streamlit as st

from engine.errors import FewLabError
from engine.runs.store import Run
from ui.runs.run_names import run_name, run_titles
from ui.shell.page import escape_markdown
from ui.shell.server import lab

_KEY = "current_run"
GHOST = "train_ghost"


def current_run() -> Run | None:
    """The run of this page, also after a refresh, in a second tab or from a shared link. A run that is gone is said so
    in one sentence.
    """
    wanted = st.query_params.get("run") or st.session_state.get(_KEY)
    if wanted is None:
        return None
    try:
        run = lab().store.run(wanted)
    except FewLabError as error:
        forget_run()
        st.warning(escape_markdown(str(error)), icon=":material/link_off:")
        return None
    choose_run(run.id)
    return run


def choose_run(run_id: str) -> None:
    """Make `run_id` the run of this tab and of its URL."""
    st.session_state[_KEY] = run_id
    if st.query_params.get("run") != run_id:
        st.query_params["run"] = run_id


def forget_run() -> None:
    st.session_state.pop(_KEY, None)
    st.query_params.pop("run", None)


def forget_if_current(run_id: str) -> None:
    """After a run is deleted: a tab that looked at it looks at nothing."""
    if st.session_state.get(_KEY) == run_id:
        forget_run()


def open_page(page: str, run_id: str | None = None) -> None:
    """Go to a page with a run; the sidebar's own links drop the URL's parameters, this one carries it."""
    if run_id is not None:
        st.session_state[_KEY] = run_id
    st.switch_page(page, query_params={"run": run_id} if run_id else None)


def open_comparison(run_ids: list[str]) -> None:
    """Go to Compare with these runs chosen."""
    st.switch_page("pages/compare.py", query_params={"runs": run_ids})


def watch_new_run(run_id: str, before: str | None) -> None:
    """Make a run that was just started the tab's run; the one looked at until then, if any, stays behind its curves as
    the ghost.
    """
    if before is not None:
        st.session_state[GHOST] = before
    choose_run(run_id)


def ghost_of(shown: Run) -> Run | None:
    """The run that was looked at before this one, while it is still there and learned from the same data set."""
    ghost = st.session_state.get(GHOST)
    if ghost is None or ghost == shown.id:
        return None
    try:
        run = lab().store.run(ghost)
    except FewLabError:
        st.session_state.pop(GHOST, None)
        return None
    return run if run.config["data"].get("name") == shown.config["data"].get("name") else None


def pick_run(runs: list[Run], label: str = "Run") -> Run | None:
    """A picker over `runs`, on the current one if it is among them, else on the first. None if there are none."""
    if not runs:
        return None
    ids = [run.id for run in runs]
    current = current_run()
    index = ids.index(current.id) if current is not None and current.id in ids else 0
    if current is not None and current.id not in ids:
        st.caption(f"{escape_markdown(run_name(current))} has nothing for this page, so another run is shown.")
    titles = run_titles(runs)
    chosen = st.selectbox(
        label, ids, index=index, format_func=lambda run_id: titles[run_id], key=f"pick_{label}_{ids[index]}"
    )
    # A stand-in for a current run that is not among them does not become the current one by itself.
    if current is None or current.id in ids or chosen != ids[index]:
        choose_run(chosen)
    return runs[ids.index(chosen)]
