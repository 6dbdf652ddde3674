"""Train: choose data, method and budget, press Start, watch, change, retrain."""

from __future__ import annotations

from typing import Any

import streamlit as st

from engine.config.overlay import apply_changes
from ui.figures.frame import shorten
from ui.forms.import_form import prepared
from ui.runs.current_run import current_or_running_run, watch_new_run
from ui.runs.prefill import FILLED
from ui.runs.run_names import told_among, told_in_turn
from ui.shell.page import empty_state, escape_markdown, header, how_it_works, show_errors
from ui.shell.server import catalog, lab
from ui.train.form import train_form
from ui.train.ghost_choice import ghost_choice
from ui.train.labeled_images import labeled_images
from ui.train.live_settings import live_settings
from ui.train.monitor import monitor
from ui.train.presentation import is_presented, present_button, presentation
from ui.train.progress_view import after_first_step
from ui.train.run_buttons import next_steps, run_buttons
from ui.train.time_estimate import time_estimate

_LONGEST = 58  # letters of a name in one line beside its buttons

header("Train", "Choose what to learn from and how, press Start, and watch it learn.")
run = current_or_running_run()
if run is not None:
    run = after_first_step(run)


def start(config: dict[str, Any], seeds: int = 1) -> None:
    """Queue one run, or several that differ in their seed; the run shown until now becomes the ghost."""
    with show_errors(), st.spinner("Starting …"):
        configs = [apply_changes(config, {"seed": config["seed"] + i}) for i in range(seeds)]
        lab().check(configs[-1])  # all or none
        folders = [lab().submit(each) for each in configs]
        watch_new_run(folders[0].id, run.id if run is not None else None)
        st.rerun()


if run is not None and is_presented():
    if (again := presentation(run)) is not None:
        start(again)
    st.stop()

with st.container(key="train_sides_run" if run is not None else "train_sides"):
    form_side, run_side = st.columns([2, 5], gap="medium")

with run_side:
    if run is None:
        empty_state(
            "train",
            "No run is open. Choose settings, or simply press Start: its curves appear here.",
            first_step=False,
        )
        beside_form = st.container()
    else:
        with st.container(key="train_name", horizontal=True, vertical_alignment="center"):
            name = told_among(run, lab().store.runs())
            st.subheader(escape_markdown(shorten(name, _LONGEST)), anchor=False)
            ghost_choice(run)
            present_button()
        with st.container(key="train_toolbar"):
            buttons, settings = st.columns([2, 5], vertical_alignment="center", gap="medium")
            with buttons:
                run_buttons(run)
            with settings:
                retrain_config = live_settings(run)
        if not lab().trains and run.status.active:
            st.info("Another FewLab trains in this checkpoints folder; this one watches and takes over when it ends.")
        queued = [other for other in lab().store.queue() if other.id != run.id]
        if queued:
            st.caption(
                f"{len(queued)} more in the queue: "
                + "; ".join(escape_markdown(name) for name in told_in_turn(queued)[:3])
            )
        if retrain_config is not None:
            start(retrain_config)
        monitor(run)
        if run.status.state in ("finished", "stopped"):
            next_steps(run)

if st.session_state.pop(FILLED, False):
    st.toast("Settings are in the form: press Start.", icon=":material/edit_note:")

# The run stands first in the script, so that its curves are drawn before the longer form is.
with form_side, st.container(key="train_form_side", gap="xsmall"):
    form = train_form()
with form_side, st.container(key="train_launch"):
    estimate_container = st.container()
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        seeds = (
            st.segmented_control(
                "Runs",
                [1, 5],
                default=1,
                format_func=lambda count: {1: "1 run", 5: "5 seeds"}[count],
                key="train_seeds",
                help="Which labels are drawn affects the result more than most settings do: five seeds show how much.",
                width="content",
            )
            or 1
        )
        is_started = st.button(
            "Start", type="primary", key="train_start", width="stretch", icon=":material/play_arrow:"
        )
    if is_started:
        start(form.config, seeds)

# Asked last: each answer takes a moment, and what is there already should not wait for them.
with form.import_side, show_errors():
    if prepared(form.config["data"]):
        images_side, thumb = (form.images_side, 28) if run is not None else (beside_form, 48)
        with images_side:
            labeled_images(form.config, thumb)
        with estimate_container:
            time_estimate(form.config, seeds)
method = catalog()["methods"][form.config["method"]["name"]]
how_it_works(
    f"**{method['title']}.** {method['idea']}", f"$${method['formula']}$$", f"Paper: {escape_markdown(method['paper'])}"
)
