"""The front door: navigation, theme, and the start of the one Lab. Imports nothing heavier than streamlit."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from ui.components.plotly_script import write_script
from ui.runs.tour import tour
from ui.runs.training_now import training_now
from ui.shell.entry import open_front_door
from ui.shell.page import escape_markdown, show_errors
from ui.shell.server import get_ready, lab, sweeps

# A file of our own: Streamlit fetches the image of a named icon from another machine.
ICON = Path(__file__).parent / "ui" / "icon.svg"
LOGO = ICON.with_name("logo.svg")
st.set_page_config(page_title="FewLab", page_icon=ICON, layout="wide", initial_sidebar_state=236)
st.logo(LOGO, size="large", icon_image=ICON)


@st.cache_resource(show_spinner=False)
def start() -> None:
    write_script()
    lab()
    sweeps()


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
# Streamlit makes an entry of the browser's history for every parameter that a page adds to its address: Back would walk
# through all of them. A page is one entry, which its parameters replace.
ONE_ENTRY = """
if (!window.fewlabHistory) {
  window.fewlabHistory = true;
  const push = history.pushState;
  history.pushState = function (state, title, url) {
    const isSamePage = url != null && new URL(url, location.href).pathname === location.pathname;
    return isSamePage ? history.replaceState(state, title, url) : push.call(history, state, title, url);
  };
}
"""
# What opens above the page lies outside the element that the theme gives its color scheme, and would be light on dark.
ONE_SCHEME = """
if (!window.fewlabScheme) {
  const app = document.querySelector("[data-testid=stApp]");
  const follow = () => { document.body.style.colorScheme = getComputedStyle(app).colorScheme; };
  window.fewlabScheme = new MutationObserver(follow);
  window.fewlabScheme.observe(app, { attributes: true, attributeFilter: ["class"] });
  follow();
}
"""
st.html(Path(__file__).parent / "ui" / "style" / "page.css")
with st.container(key="one_entry"):
    st.html(f"<script>{ONE_ENTRY}{ONE_SCHEME}</script>", unsafe_allow_javascript=True)
navigation = st.navigation(
    {
        "Lab": [
            st.Page("pages/start.py", title="Start", icon=":material/home:", default=True),
            st.Page("pages/train.py", title="Train", icon=":material/play_circle:"),
            st.Page("pages/compare.py", title="Compare", icon=":material/compare_arrows:"),
            st.Page("pages/tune.py", title="Tune", icon=":material/tune:"),
            st.Page("pages/runs.py", title="Runs", icon=":material/list:"),
        ],
        "Look inside": [
            st.Page("pages/pseudo_labels.py", title="Pseudo-labels", icon=":material/label:"),
            st.Page("pages/candidates.py", title="Candidates", icon=":material/checklist:"),
            st.Page("pages/space.py", title="Space", icon=":material/scatter_plot:"),
            st.Page("pages/errors.py", title="Errors", icon=":material/troubleshoot:"),
        ],
        "Data": [
            st.Page("pages/data.py", title="Data", icon=":material/photo_library:"),
            st.Page("pages/label.py", title="Label", icon=":material/new_label:"),
        ],
        "Use": [st.Page("pages/predict.py", title="Predict", icon=":material/image_search:")],
    }
)
with show_errors():
    training_now()
    tour()
with show_errors():
    navigation.run()
get_ready("pandas", "ui.train.form", "ui.train.monitor")  # pandas: Streamlit's, for the first figure
