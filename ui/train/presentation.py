"""A run for a lecture: the full width, large type, and nothing but its name, what can be changed, and what it shows."""

from __future__ import annotations

from typing import Any

import streamlit as st

from engine.runs.store import Run
from ui.runs.run_names import run_name
from ui.shell.page import escape_markdown
from ui.train.live_settings import live_settings
from ui.train.monitor import monitor

_PARAMETER = "present"  # of the page's address, so that a link opens it as it is shown


def is_presented() -> bool:
    return st.query_params.get(_PARAMETER) == "1"


def present_button() -> None:
    if st.button(
        "Present",
        key="train_present",
        type="tertiary",
        icon=":material/present_to_all:",
        help="For a lecture: this run alone, in the full width and large type.",
    ):
        st.query_params[_PARAMETER] = "1"
        st.rerun()


def presentation(run: Run) -> dict[str, Any] | None:
    """Draw it; the config to train anew with, if that is asked for."""
    with st.container(key="presentation"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.subheader(escape_markdown(run_name(run)), anchor=False)
            if st.button("Leave", key="train_leave_presentation", icon=":material/close_fullscreen:"):
                st.query_params.pop(_PARAMETER, None)
                st.rerun()
        retrain_config = live_settings(run)
        monitor(run)
    return retrain_config
