"""How far a run is: bar, steps, time left, speed; and how often to look again."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import datetime, timedelta

import streamlit as st

from engine.errors import FewLabError
from engine.runs.folder import Status
from engine.runs.store import Run
from ui.runs.training_now import time_left
from ui.shell.page import escape_markdown
from ui.shell.server import lab
from ui.style import formatting

_SILENCE = 30  # seconds without a heartbeat after which a run is suspected to be gone
_JUST_BEGUN = timedelta(seconds=3)
_A_MOMENT = 0.5  # seconds


def after_first_step(run: Run) -> Run:
    """A run that has just begun, as it is after its first step or a moment later: a page that draws it with a point on
    its curves need not draw it again for that one. A run that waits behind another is returned as it is.
    """
    end = time.monotonic() + _A_MOMENT
    with suppress(FewLabError):  # deleted meanwhile: it is shown as it was
        while (
            run.status.active
            and run.status.step == 0
            and lab().current in (None, run.id)
            and datetime.now() - run.created < _JUST_BEGUN
            and time.monotonic() < end
        ):
            time.sleep(0.02)
            run = lab().store.run(run.id)
    return run


def _what_next(status: Status, left: float | None) -> str:
    if left is not None:
        return f"{formatting.duration(left)} left"
    return escape_markdown(status.reason) or ("" if status.state == "paused" else "starting")


def polling_interval(run: Run) -> float | None:
    """Seconds between two looks at a run: quick until its first point, then seldom, because every look costs the
    training some speed. None once it has ended.
    """
    status = run.status
    if not status.active:
        return None
    if status.state == "queued" and status.order < time.time() - 5:
        return 2.0  # it waits behind another run
    if status.state == "queued" or status.step == 0:
        return 0.25
    return 1.0 if status.seconds < 10 else 2.0


def progress(status: Status, told: str = "") -> None:
    """Bar, steps, time left, speed; or the state and its reason. told: what it is about to do, "stopping …"."""
    words = f"step {formatting.count(status.step)} of {formatting.count(status.steps)}"
    share = min(1.0, status.step / max(1, status.steps))
    if status.state == "running" and status.step >= status.steps:
        st.progress(1.0, text=f"{words} · {status.reason or 'final evaluation …'}")
    elif status.state in ("running", "paused"):
        left = time_left(status)
        parts = [
            told.capitalize(),
            "Paused" if status.state == "paused" else "",
            words,
            _what_next(status, left),
            formatting.speed(status.images_per_second) if status.images_per_second and left is not None else "",
        ]
        st.progress(share, text=" · ".join(part for part in parts if part))
    elif status.state == "queued":
        st.progress(0.0, text="Waiting in the queue …")
    elif status.state == "finished":
        speed = formatting.speed(status.images_per_second)
        st.progress(1.0, text=f"Finished: {words} in {formatting.duration(status.seconds)} · {speed}")
        if status.reason:
            st.warning(escape_markdown(status.reason), icon=":material/hourglass_disabled:")
    elif status.state == "failed":
        st.error(escape_markdown(status.reason), icon=":material/error:")
    else:
        st.progress(share, text=f"{status.state.capitalize()} at {words}. {escape_markdown(status.reason)}".strip())
    if status.state == "running" and time.time() - status.heartbeat > _SILENCE:
        st.warning(
            f"No heartbeat for {_SILENCE} s: the training process may have died. The run resumes when FewLab is started"
            " again."
        )
