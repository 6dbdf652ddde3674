"""The settings of a run that may change while it trains, each taking effect at the next step and leaving a mark on the
curves.
"""

from __future__ import annotations

import math
from typing import Any

import streamlit as st

from engine.runs.store import Run
from ui.forms import schema_form as forms
from ui.runs.threshold_parameter import retrained, threshold_parameter
from ui.shell.page import expander, show_errors
from ui.shell.server import catalog, lab

Config = dict[str, Any]


def live_settings(run: Run) -> Config | None:
    """The confidence threshold as a slider, the others folded away while it trains; when it does not, "Retrain at":
    returns that run's config once pressed.
    """
    config = run.folder.config()
    fields = _fields(config)
    threshold = threshold_parameter(config)
    active = run.status.state in ("running", "paused") and run.id == lab().current
    if threshold is not None and threshold.key in fields:
        field = fields.pop(threshold.key)
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            title = forms.label(threshold.key.rpartition(".")[2], field)
            st.markdown(title, width="content", help="It changes while the run trains." if active else None)
            value = _control(run, threshold.key, field, config, active, is_slider=True)
            pressed = not active and st.button(f"Retrain at {value:.2f}", key="train_retrain_at")
        if pressed:
            return retrained(config, threshold.key, value)
    if not active or not fields:
        return None
    if (more := expander("More settings to change while it trains", f"train_live_more_{run.id}")) is not None:
        with more:
            for column, (key, field) in zip(st.columns(len(fields)), fields.items(), strict=True):
                with column:
                    _control(run, key, field, config, active)
    return None


def _fields(config: Config) -> dict[str, Config]:
    """Dotted key to JSON schema of every live setting of this run."""
    about = catalog()
    method = about["methods"].get(config["method"]["name"], {})
    optimizer = (config.get("optimizer") or {}).get("name")
    parts = {"method": method, "optimizer": {} if method.get("fitted") else about["optimizers"].get(optimizer, {})}
    return {
        f"{part}.{name}": field
        for part, described in parts.items()
        for name, field in described.get("schema", {}).get("properties", {}).items()
        if field.get("live")
    }


def _control(run: Run, key: str, field: Config, config: Config, active: bool, is_slider: bool = False) -> float:
    part, name = key.split(".")
    changed = [
        change.value for change in run.folder.changes() if change.key == key and isinstance(change.value, (int, float))
    ]
    stored = config[part].get(name)
    low, high = (field.get(bound) for bound in ("minimum", "maximum"))
    current = float(changed[-1] if changed else stored if isinstance(stored, (int, float)) else field["default"])
    # A config or journal that was edited by hand may say what no control can show.
    current = float(min(max(current, -math.inf if low is None else low), math.inf if high is None else high))
    sent: list[float] = st.session_state.setdefault(f"train_live_sent_{name}_{run.id}", [])
    # A change that this tab did not send comes from another one: the control starts anew from it. Its own moves arrive
    # a step later, when the slider may already be elsewhere. The value is given as the default, because one put into
    # the session's state is lost, and the slider stands at its lowest, if the page is drawn again before the browser
    # has it.
    foreign = len([value for value in changed if value not in sent]) if active else 0
    widget = f"train_live_{name}_{run.id}_{foreign}"

    def send() -> None:
        with show_errors():
            sent.append(st.session_state[widget])
            lab().change(run.id, key, st.session_state[widget])

    title, text, on_change = forms.label(name, field), field.get("description"), send if active else None
    if is_slider:
        value = st.slider(
            f"{title} of this run",
            float(low or 0.0),
            float(1.0 if high is None else high),
            current,
            step=0.01,
            key=widget,
            help=text,
            on_change=on_change,
            label_visibility="collapsed",
        )
        return float(value)
    return float(
        st.number_input(
            title,
            float(low) if low is not None else None,
            float(high) if high is not None else None,
            current,
            step=10.0 ** -(2 if current >= 0.1 else 4),
            format="%.4g",
            key=widget,
            help=text,
            on_change=on_change,
        )
    )
