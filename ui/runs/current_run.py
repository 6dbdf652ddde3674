"""Which run a page looks at: the URL first, else what this tab looked at last, else nothing; written back to the
URL.
"""

from __future__ import annotations

import streamlit as st

from engine.errors import FewLabError, UnknownName
from engine.runs.store import Run
from ui.runs.run_names import run_name, run_titles
from ui.shell.page import escape_markdown
from ui.shell.server import lab

_KEY = "current_run"
GHOST = "train_ghost"
_COMPARED = "compare_chosen"  # in the session: ids of the runs of the last comparison, in their order


def current_run() -> Run | None:
    """The run of this page, also after a refresh, in a second tab or from a shared link. A run that is gone is said so
    in one sentence.
    """
    wanted = st.query_params.get("run") or st.session_state.get(_KEY)
    if wanted is None:
        return None
    try:
        run = lab().store.run(wanted)
    except UnknownName:
        forget_run()
        say_gone(1)
        return None
    except FewLabError as error:
        forget_run()
        st.warning(escape_markdown(str(error)), icon=":material/link_off:")
        return None
    choose_run(run.id)
    return run


def say_gone(count: int, of: int = 1) -> None:
    """Of a link that names `of` runs, `count` are not there. Their ids, and ids like them, tell a reader nothing."""
    which = ("The run" if of == 1 else "The runs") if count == of else f"{count} of the {of} runs"
    are, were, belong = ("is", "it was", "belongs") if count == 1 else ("are", "they were", "belong")
    st.warning(
        f"{which} in this link {are} not in this checkpoints folder: {were} deleted, or {belong} to another folder.",
        icon=":material/link_off:",
    )


def current_or_running_run() -> Run | None:
    """The run of this page; in a tab that has looked at none yet, and was not asked for one, the run that trains."""
    if st.query_params.get("run") or st.session_state.get(_KEY):
        return current_run()
    run = next((run for run in lab().store.runs() if run.status.state in ("running", "paused")), None)
    if run is not None:
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


def compared_runs(runs: dict[str, Run]) -> list[str]:
    """Of these runs, newest first, those that this tab compared last; before it compared any the newest two, of those
    that have a curve: only where there are none, of those that wait for their turn.
    """
    before = [run_id for run_id in st.session_state.get(_COMPARED, []) if run_id in runs]
    with_curve = [run_id for run_id, run in runs.items() if run.folder.metrics_file.exists()]
    return before or (with_curve or list(runs))[:2]


def remember_comparison(run_ids: list[str]) -> None:
    st.session_state[_COMPARED] = run_ids


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


def pick_run(runs: list[Run], label: str, lacks: str) -> Run | None:
    """A picker over `runs`, on the current one if it is among them, on the first if there is no current one. None if
    there are no runs, or if the current run is none of them and no other is chosen: that is said, and another one is
    never shown in its place.

    lacks: what the page needs and a run that is not among them does not have, as in "has no model".
    """
    if not runs:
        return None
    titles = run_titles(runs)
    ids = [run.id for run in runs]
    current = current_run()
    is_missing = current is not None and current.id not in titles
    if current is not None and is_missing:
        st.info(
            f"{escape_markdown(run_name(current))} {lacks}. Choose another run to look at here.",
            icon=":material/info:",
        )
    index = None if is_missing else ids.index(current.id) if current is not None else 0
    chosen = st.selectbox(
        label,
        ids,
        index=index,
        format_func=lambda run_id: titles[run_id],
        key=f"pick_{label}_{'none' if index is None else ids[index]}",
        placeholder="Choose a run",
        label_visibility="collapsed",
    )
    if chosen is None:
        return None
    choose_run(chosen)
    if is_missing:
        st.rerun()  # without the sentence about the other one
    return runs[ids.index(chosen)]
