"""The front door: navigation, theme, and the start of the one Lab. Imports nothing heavier than streamlit."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from ui.components.plotly_script import write_script
from ui.shell.entry import open_front_door
from ui.shell.page import escape_markdown, show_errors
from ui.shell.server import lab

# A file of our own: Streamlit fetches the image of a named icon from another machine.
ICON = Path(__file__).parent / "ui" / "icon.svg"
st.set_page_config(page_title="FewLab", page_icon=ICON, layout="wide")


@st.cache_resource(show_spinner=False)
def start() -> None:
    write_script()
    lab()


try:
    start()
except OSError as error:
    why = error.strerror or type(error).__name__
    st.error(
        escape_markdown(
            f"FewLab cannot write to {error.filename or 'its folders'} ({why}): give it a folder it may write to, in"
            " FEWLAB_CHECKPOINTS."
        ),
        icon=":material/error:",
    )
    st.stop()
open_front_door()
# Streamlit leaves 6 rem above every page: with them, the curves of the Train page would begin below the first screen.
STYLE = """<style>
.stMainBlockContainer { padding-top: 2.5rem; padding-bottom: 3rem; }
.stMainBlockContainer h1 { font-size: 2rem; padding-bottom: 0; }
.stMainBlockContainer h3 { font-size: 1.3rem; }
/* Side by side, the form scrolls on its own: Start stays in reach, and the run it starts in sight. */
@media (min-width: 641px) {
  .st-key-train_form_side { position: sticky; top: 4rem; }
  .st-key-train_form {
    max-height: max(16rem, calc(100vh - 22rem)); overflow-y: auto; flex-wrap: nowrap; padding-right: 0.4rem;
  }
}
/* In one column, on a telephone, an open run stands above the form that made it. */
@media (max-width: 640px) { .st-key-train_sides_run .stColumn:has(.st-key-train_form_side) { order: 2; } }
</style>"""
st.html(STYLE)
navigation = st.navigation(
    {
        "Lab": [
            st.Page("pages/start.py", title="Start", icon=":material/home:", default=True),
            st.Page("pages/train.py", title="Train", icon=":material/play_circle:"),
            st.Page("pages/compare.py", title="Compare", icon=":material/compare_arrows:"),
            st.Page("pages/runs.py", title="Runs", icon=":material/list:"),
        ],
        "Look inside": [
            st.Page("pages/pseudo_labels.py", title="Pseudo-labels", icon=":material/label:"),
            st.Page("pages/space.py", title="Space", icon=":material/scatter_plot:"),
            st.Page("pages/errors.py", title="Errors", icon=":material/troubleshoot:"),
        ],
        "Use": [st.Page("pages/predict.py", title="Predict", icon=":material/image_search:")],
    }
)
with show_errors():
    navigation.run()
