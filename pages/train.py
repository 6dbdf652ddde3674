"""Train: choose data, method and budget, press Start, watch, change, retrain."""

from __future__ import annotations

from typing import Any

import streamlit as st

from engine.config.overlay import apply_changes
from engine.errors import FewLabError
from engine.runs.store import Run
from ui.runs.current_run import GHOST, current_run, ghost_of, open_page, watch_new_run
from ui.runs.prefill import prefill, usable, with_features
from ui.runs.run_bar import elsewhere
from ui.runs.run_names import run_name
from ui.shell.page import header, how_it_works, mistakes, plain
from ui.shell.server import catalog, lab
from ui.train.form import labeled_images, train_form
from ui.train.live_settings import live_settings
from ui.train.monitor import Story, curves, polling_interval, progress, pseudo_label_gallery, tiles
from ui.train.probe_bars import probe_bars
from ui.train.run_buttons import buttons
from ui.train.time_estimate import time_estimate

header("Train", "Choose what to learn from and how, press Start, and watch it learn.")
run = current_run()


def start(config: dict[str, Any], seeds: int = 1) -> None:
    """Queue one run, or several that differ in their seed; the run looked at until now becomes the ghost."""
    with mistakes(), st.spinner("Starting …"):
        configs = [apply_changes(config, {"seed": config["seed"] + i}) for i in range(seeds)]
        lab().check(configs[-1])  # all or none
        folders = [lab().submit(each) for each in configs]
        watch_new_run(folders[0].id, run.id if run is not None else None)
        st.rerun()


with st.container(key="train_sides_run" if run is not None else "train_sides"):
    form_side, run_side = st.columns([2, 5], gap="medium")
_FEATURES = (
    "Puts a run into the form that starts from what this network has learned: FixMatch with a few labels, to begin"
    " with."
)


def watch(shown: Run) -> None:
    interval = polling_interval(shown)

    @st.fragment(run_every=interval)
    def live() -> None:
        try:
            now = lab().store.run(shown.id)
        except FewLabError as error:
            st.warning(plain(str(error)))
            return
        if polling_interval(now) != interval or now.status.state != shown.status.state:
            st.rerun()
        before = ghost_of(now)
        story, ghost = Story.read(now), Story.read(before) if before is not None else None
        progress(now.status)
        if now.status.active and story.refused:
            st.warning(plain(story.refused), icon=":material/block:")
        tiles(story, ghost)
        curves(story, ghost, "train")
        probe_bars(now, "train")
        pseudo_label_gallery(now, "train")

    live()


with run_side:
    if run is None:
        st.info(
            "No run is open. Set something up on the left, or simply press Start: its curves appear here.",
            icon=":material/show_chart:",
        )
    else:
        st.subheader(plain(run_name(run)), anchor=False)
        buttons(run)
        if not lab().trains and run.status.active:
            st.info("Another FewLab trains in this checkpoints folder; this one watches and takes over when it ends.")
        waiting = [other for other in lab().store.queue() if other.id != run.id]
        if waiting:
            st.caption(f"{len(waiting)} more waiting: " + ", ".join(plain(run_name(other)) for other in waiting[:3]))
        again = live_settings(run)
        if again is not None:
            start(again)
        watch(run)
        if run.status.state in ("finished", "stopped"):
            followers = st.columns(3)
            if run.folder.snapshot_steps():
                elsewhere(run, ["pages/pseudo_labels.py", "pages/space.py", "pages/errors.py"])
            if run.folder.model_file.exists() and followers[0].button(
                "Predict with it", key="train_predict", icon=":material/image_search:", width="stretch"
            ):
                open_page("pages/predict.py", run.id)
            if usable(run) and followers[2].button(
                "Use these features",
                key="train_features",
                icon=":material/model_training:",
                width="stretch",
                help=_FEATURES,
            ):
                with mistakes():
                    prefill(with_features(run))
                    st.session_state[GHOST] = run.id
                    st.rerun()
            if followers[1].button("Compare", key="train_compare", icon=":material/compare_arrows:", width="stretch"):
                st.session_state["compare_chosen"] = [found.id for found in (run, ghost_of(run)) if found is not None]
                open_page("pages/compare.py")
            st.caption(
                "One run with one draw of labels. Another draw can differ by many points: start 5 seeds before quoting"
                " a number."
            )

# The run stands first in the script, so that its curves are drawn before the longer form is.
with form_side, st.container(key="train_form_side"):
    with st.container(key="train_form"):
        config, images_place = train_form()
    seeds = (
        st.segmented_control(
            "Runs",
            [1, 5],
            default=1,
            format_func=lambda count: {1: "1 run", 5: "5 seeds"}[count],
            key="train_seeds",
            help="Which labels are drawn moves the result more than most settings do: five seeds show how much.",
        )
        or 1
    )
    estimate_place = st.container()
    if st.button("Start", type="primary", key="train_start", width="stretch", icon=":material/play_arrow:"):
        start(config, seeds)

# Asked last: each answer takes a moment, and what is there already should not wait for them.
readable = False
with images_place, mistakes():
    readable = labeled_images(config)
with estimate_place, mistakes():
    if readable:
        time_estimate(config, seeds)
method = catalog()["methods"][config["method"]["name"]]
how_it_works(f"**{method['title']}.** {method['idea']}", f"$${method['formula']}$$", f"Paper: {plain(method['paper'])}")
