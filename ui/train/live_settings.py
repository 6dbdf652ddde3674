"""The settings of a run that may change while it trains, each taking effect at the next step and leaving a mark on the
curves.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

from engine.config.overlay import apply_changes
from engine.runs.store import Run
from ui.forms import schema_form as forms
from ui.shell.page import folded, mistakes
from ui.shell.server import catalog, lab

MAIN = "method.threshold"


def live_settings(shown: Run) -> dict[str, Any] | None:
    """The threshold as a slider, the others folded away while it trains; when it does not, "Retrain at": returns that
    run's config once pressed.
    """
    config = shown.folder.config()
    fields = _fields(config)
    active = shown.status.state in ("running", "paused") and shown.id == lab().current
    if MAIN in fields:
        left, right = st.columns([3, 1], vertical_alignment="bottom")
        with left:
            value = _control(shown, MAIN, {**fields[MAIN], "title": "Threshold τ of this run"}, config, active)
        if active:
            right.caption("moves while it trains")
        elif right.button(f"Retrain at {value:.2f}", key="train_retrain_at", width="stretch"):
            return apply_changes(config, {MAIN: value})
    others = {key: field for key, field in fields.items() if key != MAIN}
    if (
        active
        and others
        and (more := folded("More settings to change while it trains", f"train_live_more_{shown.id}")) is not None
    ):
        with more:
            for column, (key, field) in zip(st.columns(len(others)), others.items(), strict=True):
                with column:
                    _control(shown, key, field, config, active)
    return None


def _fields(config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Dotted key to JSON schema of every live setting of this run."""
    shelf = catalog()
    method = shelf["methods"].get(config["method"]["name"], {})
    parts = {
        "method": method,
        "optimizer": (
            {} if method.get("fitted") else shelf["optimizers"].get((config.get("optimizer") or {}).get("name"), {})
        ),
    }
    return {
        f"{part}.{name}": field
        for part, about in parts.items()
        for name, field in about.get("schema", {}).get("properties", {}).items()
        if field.get("live")
    }


def _control(shown: Run, key: str, field: dict[str, Any], config: dict[str, Any], active: bool) -> float:
    part, name = key.split(".")
    changed = [
        change.value
        for change in shown.folder.changes()
        if change.key == key and isinstance(change.value, (int, float))
    ]
    current = float(changed[-1] if changed else config[part].get(name, field.get("default")))
    sent: list[float] = st.session_state.setdefault(f"train_live_sent_{name}_{shown.id}", [])
    # A change that this tab did not send comes from another one: the control starts anew from it. Its own moves arrive
    # a step later, when the slider may already be elsewhere. The value is given as the default, because one put into
    # the session's state is lost, and the slider stands at its lowest, if the page is drawn again before the browser
    # has it.
    foreign = len([value for value in changed if value not in sent]) if active else 0
    widget = f"train_live_{name}_{shown.id}_{foreign}"

    def send() -> None:
        with mistakes():
            sent.append(st.session_state[widget])
            lab().change(shown.id, key, st.session_state[widget])

    title, on_change = field.get("title") if key == MAIN else forms.label(name, field), send if active else None
    if key == MAIN:
        return st.slider(
            str(title), 0.0, 1.0, current, step=0.01, key=widget, help=field.get("description"), on_change=on_change
        )
    low, high = (field.get(bound) for bound in ("minimum", "maximum"))
    return float(
        st.number_input(
            str(title),
            float(low) if low is not None else None,
            float(high) if high is not None else None,
            current,
            step=10.0 ** -(2 if current >= 0.1 else 4),
            format="%.4g",
            key=widget,
            help=field.get("description"),
            on_change=on_change,
        )
    )
