"""Start: what this is, one click for each situation, and the last runs."""

from __future__ import annotations

import streamlit as st

from engine.runs.store import Run
from ui.components.live_figure import preload_figures
from ui.figures.sparkline import sparkline
from ui.runs.current_run import open_page
from ui.runs.run_names import headline_accuracy, told_apart
from ui.runs.sweep_runs import without_sweeps
from ui.shell.page import escape_markdown, expander, header, how_it_works, show_errors
from ui.shell.server import lab, sweeps
from ui.start.cards import ON_CARDS, situation_cards
from ui.start.experiment_list import experiment_list
from ui.start.preset_list import preset_list
from ui.style import formatting

# What is shown at first asks the engine nothing: its process takes seconds to start, on a new machine ten.
header("FewLab", "Thousands of images, a handful of labels: see what can be done.")
store = lab().store

situation_cards()
if (experiments := expander("Experiments: what a student should have seen once", "start_experiments")) is not None:
    with experiments:
        experiment_list()
if (more := expander("More presets: other images, other methods, settings from the papers", "start_more")) is not None:
    with more:
        preset_list(ON_CARDS)


def row(run: Run, called: str) -> None:
    with st.container(border=True):
        name, curve, accuracy, action = st.columns([4, 3, 2, 2], vertical_alignment="center")
        name.markdown(f"**{escape_markdown(called)}**  \n{formatting.date(run.created)}")
        drawn = sparkline(
            [r["test/accuracy"] for r in run.folder.metrics() if isinstance(r.get("test/accuracy"), int | float)]
        )
        if drawn:
            curve.image(drawn, width=140, alt="test accuracy over the run")
        accuracy.markdown(headline_accuracy(run) or run.status.state)
        with action, st.container(horizontal=True, gap="small"):
            resumable = run.status.state in ("stopped", "interrupted")
            if resumable and st.button("Resume", key=f"start_resume_{run.id}"):
                with show_errors():
                    lab().resume(run.id)
                    open_page("pages/train.py", run.id)
            if st.button("Open", key=f"start_open_{run.id}"):
                open_page("pages/train.py", run.id)


latest = without_sweeps(store.runs(), sweeps().store.sweeps())[:3]
if latest:
    st.subheader("Continue", anchor=False)
    for run, called in zip(latest, told_apart(latest), strict=True):
        row(run, called)
st.page_link("pages/train.py", label="Choose a method and settings of your own", icon=":material/tune:")
how_it_works(
    "A run is one training: a method, a data set, a handful of labels and a seed. It trains in the background, writes"
    " all its results to a folder, and can be stopped and resumed.",
    "Which method? On handwritten digits, over five draws of labels, FlexMatch lost least where there was one label"
    " per class, and shared the first rank with ReMixMatch, which takes twice the time, at two and four. With four"
    " labels per class FixMatch is as good as any, and the simplest. For photos begin with a pretrained network: a"
    " linear probe or label spreading. docs/RESULTS.md has the tables, with their intervals.",
    "The question to ask is always: how much better than the supervised baseline on the same labels? So every preset"
    " has its baseline, and the noise preset shows what happens where nothing can be learned.",
)
preload_figures()
