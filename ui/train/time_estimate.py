"""How long a run will take, from a few real steps on this machine, done in the background before Start is pressed."""

from __future__ import annotations

import json
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import streamlit as st

from engine.errors import FewLabError
from engine.lab.messages import MeasureSpeed
from ui.shell.page import escape_markdown, guarded_fragment, redraw_page
from ui.shell.server import catalog, lab
from ui.style import formatting

# What a step's cost does not depend on: changing these needs no new measurement.
_FREE = ("name", "seed")


@dataclass
class _Measured:
    future: Future[dict[str, float]]


@st.cache_resource(max_entries=256, show_spinner=False)
def _measure(key: str, _config: dict[str, Any]) -> _Measured:
    return _Measured(lab().assistant.ask_later(MeasureSpeed(_config)))


def cost_key(config: dict[str, Any]) -> str:
    """Equal for settings with which steps and evaluations take as long."""
    cost: dict[str, Any] = {
        part: value for part, value in config.items() if part not in (*_FREE, "budget", "optimizer", "training")
    }
    cost["batch_size"] = config["budget"]["batch_size"]
    cost["method"] = {name: value for name, value in config["method"].items() if not isinstance(value, float)}
    cost["optimizer"] = config["optimizer"]["name"]
    return json.dumps(cost, sort_keys=True)


def time_estimate(config: dict[str, Any], runs: int = 1) -> None:
    """One line: about how long the run takes. Measured once per set of settings, and not while a run trains, which both
    would slow.
    """
    key = cost_key(config)
    # Between Start and the first step the run is still in the queue.
    if key not in _asked() and (lab().current is not None or lab().store.queue()):
        st.caption("Estimate available when no run is training.")
        return
    pending: Future[dict[str, float]] | None = st.session_state.get("estimate_pending")
    if key not in _asked() and pending is not None and not pending.done():
        # Settings that change quickly must not fill the engine with measurements that nobody waits for.
        guarded_fragment(_after, 0.5)(pending)
        return
    _asked().add(key)
    future = st.session_state["estimate_pending"] = _measure(key, config).future
    was_pending = not future.done()
    guarded_fragment(_line, 0.5 if was_pending else None)(future, key, config, runs, was_pending)


def _after(pending: Future[dict[str, float]]) -> None:
    if pending.done():
        redraw_page()
    st.caption("Measuring the training time …")


def _line(future: Future[dict[str, float]], key: str, config: dict[str, Any], runs: int, was_pending: bool) -> None:
    """was_pending: the speed was still being measured when the page was drawn."""
    if was_pending:
        if future.done():
            redraw_page()  # so that the polling ends
        st.caption("Measuring the training time …")
        return
    try:
        figures = future.result()
    except FewLabError as error:
        _asked().discard(key)
        _measure.clear(key, config)
        st.caption(escape_markdown(str(error)))
        return
    steps, every = config["budget"]["steps"], config["budget"]["evaluate_every"]
    each = figures["set_up"] + steps * figures["step"] + (steps // every + 1) * figures["evaluation"]
    features = figures.get("features", 0.0)  # the first run computes them for all
    method = catalog()["methods"][config["method"]["name"]]
    about = "At most" if method["fitted"] else "About"  # it ends when nothing moves any more
    probes = " before its final probes" if config["data"]["labels"]["kind"] == "none" else ""
    measured = "features of all images, once" if features else f"{figures['step'] * 1000:.0f} ms a step"
    st.caption(
        f"{about} **{formatting.duration(features + each * runs)}**{probes} on this machine ({measured}, measured)."
    )


def _asked() -> set[str]:
    asked: set[str] = st.session_state.setdefault("estimates_asked", set())
    return asked
