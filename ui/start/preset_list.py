"""All presets beside those of the cards."""

from __future__ import annotations

from collections.abc import Collection

import streamlit as st

from engine.presets import PRESETS
from ui.shell.server import catalog
from ui.start.begin import starts_at_once, try_it, use_settings


def preset_list(without: Collection[str]) -> None:
    """Those of generated or built-in images start at once; the rest fill in the form, where their images are read
    first.
    """
    for name, preset in PRESETS.items():
        if name in without:
            continue
        what, action = st.columns([5, 2], vertical_alignment="center")
        what.markdown(f"**{preset.title}** · {preset.duration}  \n{preset.summary}")
        if starts_at_once(name):
            if action.button("Try it", key=f"start_more_{name}", width="stretch"):
                try_it(name)
        elif action.button("Use these settings", key=f"start_more_{name}", width="stretch"):
            use_settings(catalog()["presets"][name]["config"])
