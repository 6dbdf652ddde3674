"""In the sidebar of every page: what trains now, how far it is, and what waits."""

from __future__ import annotations

import streamlit as st

from engine.errors import FewLabError
from engine.runs.folder import Status
from engine.runs.store import Run
from ui.runs.current_run import open_page
from ui.runs.run_names import run_name
from ui.runs.told import tell, told
from ui.shell.page import escape_markdown, guarded_fragment
from ui.shell.server import lab
from ui.style import formatting

_EVERY = 3.0  # seconds between two looks: seldom, because each costs the training some speed
_EVERY_IDLE = 30.0


def training_now() -> None:
    """A panel that looks again, seldom while nothing trains.

    Never to look again would leave a page dead once its server was started anew: only where some part of a page polls
    does the browser ask the next server for the whole page, and of a part alone that server knows nothing.
    """
    is_active = bool(_running() or lab().store.queue())
    with st.sidebar:
        guarded_fragment(_panel, _EVERY if is_active else _EVERY_IDLE)()


def time_left(status: Status) -> float | None:
    """Seconds; None until the second step: the first takes longer than any other."""
    return status.seconds / status.step * (status.steps - status.step) if status.step > 1 else None


def how_far(status: Status) -> str:
    """What a run that has left the queue is about, in two words: paused, the time left, or what has none."""
    if status.state == "paused":
        return "paused"
    if status.step >= status.steps:
        return "final evaluation"
    left = time_left(status)
    return "starting" if left is None else f"{formatting.duration(left)} left"


def _running() -> list[Run]:
    """The run that trains or is paused here, or those of another FewLab in the same folder, the newest first."""
    current = lab().current
    if current is not None:
        try:
            return [lab().store.run(current)]
        except FewLabError:
            return []
    if lab().trains:
        return []
    return [run for run in lab().store.runs() if run.status.state in ("running", "paused")]


def _panel() -> None:
    running = _running()
    ids = {run.id for run in running}
    waiting = [other for other in lab().store.queue() if other.id not in ids]
    with st.container(key="training_now", gap="xsmall"):
        if not running:
            st.caption("Nothing is training." if not waiting else "About to start …")
        else:
            _run(running[0])
        if (more := len(running) - 1) > 0 and st.button(
            f"and {formatting.count(more)} more",
            key="training_now_more",
            type="tertiary",
            help="Open the list of runs.",
        ):
            st.switch_page("pages/runs.py")
        if waiting and st.button(
            f"{formatting.count(len(waiting))} waiting",
            key="training_now_queue",
            type="tertiary",
            help="Open the queue.",
        ):
            st.switch_page("pages/runs.py")


def _run(run: Run) -> None:
    status, is_ours = run.status, run.id == lab().current
    if st.button(escape_markdown(run_name(run)), key="training_now_open", type="tertiary", help="Open it on Train."):
        open_page("pages/train.py", run.id)
    share = min(1.0, status.step / max(1, status.steps))
    st.progress(share, text=f"{formatting.percent(share)} · {told(run) or how_far(status)}")
    if not is_ours:
        return
    with st.container(horizontal=True, gap="xsmall"):
        if status.state == "paused":
            if st.button("Resume", key="training_now_resume", icon=":material/resume:"):
                tell(run, "resuming …")
                lab().resume(run.id)
                st.rerun(scope="fragment")
        elif st.button("Pause", key="training_now_pause", icon=":material/pause:"):
            tell(run, "pausing …")
            lab().command(run.id, "pause")
            st.rerun(scope="fragment")
        if st.button("Stop", key="training_now_stop", icon=":material/stop:", help="Keeps the model; can be resumed."):
            tell(run, "stopping …")
            lab().command(run.id, "stop")
            st.rerun(scope="fragment")
