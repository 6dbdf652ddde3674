"""How a run begins from Start: at once, or from the form that it fills in."""

from __future__ import annotations

from typing import Any

import streamlit as st

from engine.presets import PRESETS
from ui.runs.current_run import current_run, forget_run, open_page, watch_new_run
from ui.runs.prefill import prefill
from ui.shell.page import show_errors
from ui.shell.server import catalog, lab


def starts_at_once(preset: str) -> bool:
    """Whether it needs no images of the person's own and no GPU."""
    config = PRESETS[preset].config
    about = catalog()["datasets"][config["data"]["name"]]["schema"]["properties"]
    return not PRESETS[preset].gpu and not any(field.get("is_path") for field in about.values())


def try_it(preset: str) -> None:
    """Train it, and show it on Train."""
    with st.spinner("Starting …"), show_errors():
        before = current_run()
        folder = lab().submit(PRESETS[preset].config)
        prefill(catalog()["presets"][preset]["config"])
        watch_new_run(folder.id, before.id if before is not None else None)
        open_page("pages/train.py", folder.id)


def use_settings(config: dict[str, Any]) -> None:
    """Fill in the form of Train."""
    prefill(config)
    forget_run()
    open_page("pages/train.py")
