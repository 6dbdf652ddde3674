"""What depends on the theme that is seen now, for drawings that cannot ask the page's style sheet."""

from __future__ import annotations

import streamlit as st

# Small print as in page.css, at 4.5:1 against the ground and more.
INK = {"light": "#5d5c59", "dark": "#b3b1ab"}


def ink() -> str:
    """The color of small print."""
    return INK["dark" if st.context.theme.type == "dark" else "light"]
