"""The line with which every page that opens a run begins: which run, which evaluation, the same run on other pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

import streamlit as st

from engine.analysis.evaluated_run import EvaluatedRun, stamp
from engine.runs.store import Run
from ui.runs.current_run import open_page, pick_run
from ui.shell.remembered import one_of, read_query_param, remember, remembered, set_query_param
from ui.style import formatting

_PLAY_EVERY = 0.7  # seconds an evaluation is shown for while it plays
_PAGES = {
    "pages/train.py": "Curves",
    "pages/pseudo_labels.py": "Pseudo-labels",
    "pages/candidates.py": "Candidates",
    "pages/space.py": "Space",
    "pages/errors.py": "Errors",
    "pages/compare.py": "Compare",
    "pages/predict.py": "Predict",
}


def run_bar(runs: list[Run], pages: Sequence[str], lacks: str = "has not been evaluated") -> EvaluatedRun | None:
    """The picker over `runs` (those with snapshots), and beside it the same run on other pages; None if there is no
    run to show. lacks: what a run that is not among them does not have.
    """
    left, right = st.columns([5, 4], vertical_alignment="center")
    with left:
        run = pick_run(runs, "Run", lacks)
    if run is None:
        return None
    with right:
        page_links(run, pages)
    return open_run(run)


def open_run(run: Run) -> EvaluatedRun:
    """A run with at least one snapshot, shared by all tabs until it writes another one."""
    return _open_run(run.id, stamp(run), run)


@st.cache_resource(max_entries=8, show_spinner=False)
def _open_run(run_id: str, written: tuple[Any, ...], _run: Run) -> EvaluatedRun:
    return EvaluatedRun(_run)


def page_links(run: Run | EvaluatedRun, pages: Sequence[str], key: str = "elsewhere") -> None:
    """The same run on other pages. key: of these links, where a page has several."""
    with st.container(horizontal=True):
        for page, title in _PAGES.items():
            if page in pages and st.button(title, key=f"{key}_{page}", type="tertiary"):
                open_page(page, run.id)


def evaluation_slider(run: EvaluatedRun, key: str) -> int:
    """The slider over evaluations with its play button, inside a fragment; returns the chosen step. It starts where it
    was before, or at a link's `?step=`, else at the last.
    """
    # In the session: the position of the evaluation that is shown next while it plays, and how often it has played.
    playing, played = f"{key}_playing", f"{key}_played"
    if len(run.steps) == 1:
        if st.session_state.pop(playing, None) is not None:
            st.rerun()  # it played another run
        return run.steps[0]
    # A slider of its own after each playing, and none to move during one: a busy browser still names an evaluation from
    # before when its clock asks for the next.
    state_key = f"{key}_step_{run.id}_{st.session_state.setdefault(played, 0)}"
    if state_key not in st.session_state:
        st.session_state[state_key] = remembered_step(run)
    last = len(run.steps) - 1
    at = st.session_state.get(playing)
    if at is not None:
        st.session_state[state_key], st.session_state[playing] = run.steps[min(at, last)], at + 1
        if at >= last:
            _end(run, run.steps[last], playing, played)  # the whole page, so that the fragment stops running by itself
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        step = st.select_slider(
            "Evaluation after step", run.steps, key=state_key, format_func=formatting.count, disabled=at is not None
        )
        pressed = st.button(
            "Play" if at is None else "Stop",
            key=f"{key}_play",
            icon=":material/play_arrow:" if at is None else ":material/pause:",
        )
    if pressed and at is not None:
        _end(run, step, playing, played)
    if pressed:
        st.session_state[playing] = 0 if step == run.steps[last] else run.steps.index(step)
        st.rerun()
    return remember_step(run, step)


def _end(run: EvaluatedRun, step: int, playing: str, played: str) -> NoReturn:
    st.session_state.pop(playing)
    st.session_state[played] += 1
    remember_step(run, step)
    st.rerun()


def play_interval(key: str) -> float | None:
    """run_every of a page's fragment: seconds while it plays, else None."""
    return _PLAY_EVERY if st.session_state.get(f"{key}_playing") is not None else None


def remembered_step(run: EvaluatedRun) -> int:
    """The evaluation of this run that was shown before, on any page, or that a link names; else the last."""
    read_query_param("step", f"step_{run.id}", run.id, one_of(run.steps))
    return remembered(f"step_{run.id}", run.steps[-1], run.steps)


def remember_step(run: EvaluatedRun, step: int) -> int:
    # Whoever looks at the last one wants to see the newest when there are more.
    remember(f"step_{run.id}", step if step != run.steps[-1] else None)
    set_query_param("step", step)
    return int(step)
