"""Start: what this is, one click for each situation, and the last runs."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from engine.presets import PRESETS
from engine.runs.store import Run
from ui.components.live_figure import preload_figures
from ui.figures.sparkline import sparkline
from ui.runs.current_run import open_page
from ui.runs.prefill import prefill, usable, with_features
from ui.runs.run_names import headline_accuracy, run_name
from ui.shell.page import escape_markdown, expander, header, how_it_works, show_errors
from ui.shell.server import lab
from ui.start.begin import try_it
from ui.start.experiment_list import experiment_list
from ui.start.preset_list import preset_list
from ui.style import formatting, illustrations

# What is shown at first asks the engine nothing: its process takes seconds to start, on a new machine ten.
header("FewLab", "Thousands of images, a handful of labels: see what can be done.")
store = lab().store
_BESIDE = ("digits-supervised", "noise-fixmatch")  # under the cards, not in them


def build_on() -> None:
    """The form, prefilled to start from the features of the newest run that has a network."""
    with st.spinner("Starting …"), show_errors():
        trained = next((run for run in store.runs() if usable(run)), None)
        if trained is None:
            st.info(
                "None of your runs has trained a network yet: train one first, and its features can be used here.",
                icon=":material/school:",
            )
            return
        prefill(with_features(trained, "fine_tune"))
        open_page("pages/train.py", trained.id)


def card(column: DeltaGenerator, situation: str, title: str, summary: str) -> DeltaGenerator:
    """A framed container with the image of an idea; returns where its button goes."""
    container = column.container(border=True, height="stretch")
    container.image(illustrations.OF_SITUATIONS[situation], width=200)
    container.subheader(title, anchor=False)
    container.markdown(summary)
    return container


st.subheader("What do you have?", anchor=False)
cards = [(name, preset) for name, preset in PRESETS.items() if preset.situation]
columns = st.columns(len(cards) + 2)
with card(
    columns[0], "own", "My own photos", "A folder of them, with a few labels or none: bring them in, and label some."
):
    if st.button("Bring them in", key="start_own", width="stretch"):
        st.switch_page("pages/data.py")
for number, (column, (name, preset)) in enumerate(zip(columns[1:], cards, strict=False)):
    with card(column, str(preset.situation), preset.title, preset.summary):
        if st.button(
            f"Try it: {preset.duration.removeprefix('about ')}",
            key=f"start_{name}",
            type="primary" if number == 0 else "secondary",
            width="stretch",
        ):
            try_it(name)
any_model = any(run.folder.model_file.exists() for run in store.runs())
with card(
    columns[-1],
    "model",
    "A model to build on",
    "Start from features learned by an earlier run, and add a few labels.",
):
    help_ = None if any_model else "Train a run first, and its features can be used here."
    if st.button("Choose one", key="start_model", width="stretch", disabled=not any_model, help=help_):
        build_on()
with st.container(horizontal=True):
    for name in _BESIDE:
        if st.button(
            f"{PRESETS[name].title}: {PRESETS[name].duration.removeprefix('about ')}",
            key=f"start_{name}",
            help=PRESETS[name].summary,
            type="tertiary",
        ):
            try_it(name)


if (experiments := expander("Experiments: what a student should have seen once", "start_experiments")) is not None:
    with experiments:
        experiment_list()
if (more := expander("More presets: other images, other methods, settings from the papers", "start_more")) is not None:
    with more:
        preset_list({*_BESIDE, *(name for name, _ in cards)})


def row(run: Run) -> None:
    with st.container(border=True):
        name, curve, accuracy, action = st.columns([4, 3, 2, 2], vertical_alignment="center")
        name.markdown(f"**{escape_markdown(run_name(run))}**  \n{formatting.date(run.created)}")
        drawn = sparkline(
            [r["test/accuracy"] for r in run.folder.metrics() if isinstance(r.get("test/accuracy"), int | float)]
        )
        if drawn:
            curve.image(drawn, width=140)
        accuracy.markdown(headline_accuracy(run) or run.status.state)
        with action:
            if run.status.state in ("stopped", "interrupted"):
                if st.button("Resume", key=f"start_resume_{run.id}", width="stretch"):
                    with show_errors():
                        lab().resume(run.id)
                        open_page("pages/train.py", run.id)
            elif st.button("Open", key=f"start_open_{run.id}", width="stretch"):
                open_page("pages/train.py", run.id)


latest = store.runs()[:3]
if latest:
    st.subheader("Continue", anchor=False)
    for run in latest:
        row(run)
st.page_link("pages/train.py", label="Choose a method and settings of your own", icon=":material/tune:")
how_it_works(
    "A run is one training: a method, a data set, a handful of labels and a seed. It trains in the background, writes"
    " all its results to a folder, and can be stopped and resumed.",
    "The question to ask is always: how much better than the supervised baseline on the same labels? So every preset"
    " has its baseline, and the noise preset shows what happens where nothing can be learned.",
)
preload_figures()
