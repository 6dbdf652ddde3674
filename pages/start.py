"""Start: what this is, three presets of one click each, and the last runs."""

from __future__ import annotations

import streamlit as st

from engine.presets import PRESETS
from engine.runs.store import Run
from ui import idea_pictures, theme
from ui.current_run import current_run, open_page, watch_new_run
from ui.live_figure import preload_figures
from ui.names import run_name
from ui.page import header, how_it_works, mistakes, plain
from ui.server import lab
from ui.sparkline import sparkline

header("FewLab", "Thousands of pictures, a handful of labels: see what can be done.")
store = lab().store


def try_it(name: str) -> None:
    with st.spinner("Starting …"), mistakes():
        before = current_run()
        folder = lab().submit(PRESETS[name].config)
        watch_new_run(folder.id, before.id if before is not None else None)
        open_page("pages/train.py", folder.id)


cards = [(name, preset) for name, preset in PRESETS.items() if preset.on_start]
for number, (column, (name, preset)) in enumerate(zip(st.columns(len(cards)), cards, strict=True)):
    with column, st.container(border=True, height="stretch"):
        if name in idea_pictures.PICTURES:
            st.image(idea_pictures.PICTURES[name], width=200)
        st.subheader(preset.title, anchor=False)
        st.markdown(preset.summary)
        if st.button(f"Try it: {preset.takes}", key=f"start_{name}", type="primary" if number == 0 else "secondary", width="stretch"):
            try_it(name)


def row(run: Run) -> None:
    with st.container(border=True):
        name, curve, accuracy, action = st.columns([4, 3, 2, 2], vertical_alignment="center")
        name.markdown(f"**{plain(run_name(run))}**  \n{theme.date(run.created)}")
        drawn = sparkline([r["test/accuracy"] for r in run.folder.metrics() if isinstance(r.get("test/accuracy"), int | float)])
        if drawn:
            curve.image(drawn, width=140)
        final = run.status.metrics.get("test/accuracy")
        accuracy.markdown(theme.percent(final) if final is not None else run.status.state)
        with action:
            if run.status.state in ("stopped", "interrupted"):
                if st.button("Resume", key=f"start_resume_{run.id}", width="stretch"):
                    with mistakes():
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
    "A run is one training: a method, a data set, a handful of labels and a seed. It trains in the background, keeps all it found in a folder, and can be stopped and resumed.",
    "The honest question is always: how much better than the labels alone? So every preset has its baseline, and the noise preset shows what happens where nothing can be learned.",
)
preload_figures()
