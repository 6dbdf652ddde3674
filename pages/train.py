"""Train: choose data, method and budget, press Start, watch, change, retrain."""

from __future__ import annotations

from typing import Any

import streamlit as st

from engine.config import apply_changes
from engine.errors import FewLabError
from engine.runs.store import Run
from ui.current_run import choose_run, current_run, open_page
from ui.estimate import time_estimate
from ui.page import header, how_it_works, mistakes, plain
from ui.run_view import Story, curves, polling_interval, progress, pseudo_label_gallery, tiles
from ui.server import catalog, lab
from ui.train_form import labeled_pictures, prefill, train_form

header("Train", "Choose what to learn from and how, press Start, and watch it learn.")
run = current_run()


def start(config: dict[str, Any], seeds: int = 1) -> None:
    """Queue one run, or several that differ in their seed; the run looked at until now becomes the ghost."""
    with mistakes(), st.spinner("Starting …"):
        configs = [apply_changes(config, {"seed": config["seed"] + i}) for i in range(seeds)]
        lab().check(configs[-1])  # all or none
        folders = [lab().submit(each) for each in configs]
        if run is not None:
            st.session_state["train_ghost"] = run.id
        choose_run(folders[0].id)
        st.rerun()


def ghost_of(shown: Run) -> Story | None:
    """The run that was looked at before this one, while it is still there."""
    ghost = st.session_state.get("train_ghost")
    if ghost is None or ghost == shown.id:
        return None
    try:
        return Story.read(lab().store.run(ghost))
    except FewLabError:
        st.session_state.pop("train_ghost", None)
        return None


form_side, run_side = st.columns([2, 5], gap="medium")
with form_side:
    config = train_form()
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
    with mistakes():
        labeled_pictures(config)
    with estimate_place, mistakes():  # asked last: the answer takes a second, and the engine answers one question after the other
        time_estimate(config, seeds)


def buttons(shown: Run) -> None:
    state, mine = shown.status.state, shown.id == lab().current
    spaces = st.columns([1, 1, 1, 1])
    with mistakes():
        if state == "running" and mine and spaces[0].button("Pause", key="train_pause", icon=":material/pause:", width="stretch"):
            lab().command(shown.id, "pause")
        if state in ("paused", "stopped", "interrupted") and spaces[0].button("Resume", key="train_resume", icon=":material/resume:", width="stretch"):
            lab().resume(shown.id)
            st.rerun()
        if (state in ("running", "paused") and mine) or state == "queued":
            if spaces[1].button("Stop", key="train_stop", icon=":material/stop:", width="stretch", help="Keeps the model; it can go on later."):
                lab().command(shown.id, "stop")
        elif spaces[0 if state in ("finished", "failed") else 1].button(
            "Retrain", key="train_retrain", icon=":material/replay:", width="stretch", help="Put these settings into the form; this run stays behind the new one as ghost curves."
        ):
            prefill(shown.folder.config())
            st.session_state["train_ghost"] = shown.id
            st.rerun()


def live_settings(shown: Run) -> None:
    """The settings that may change while it trains, each taking effect at the next step and leaving a mark on the curves; later, "Retrain at"."""
    settings = shown.folder.config()
    schema = catalog()["methods"].get(settings["method"]["name"], {}).get("schema", {"properties": {}})
    if "threshold" not in schema["properties"]:
        return
    changed = [event["value"] for event in shown.folder.events() if event.get("event") == "change" and event.get("key") == "method.threshold"]
    current = float(changed[-1] if changed else settings["method"]["threshold"])
    active = shown.status.state in ("running", "paused") and shown.id == lab().current
    key = f"train_live_threshold_{shown.id}"
    sent: list[float] = st.session_state.setdefault(f"train_live_sent_{shown.id}", [])
    # A change that this tab did not send comes from another one. Its own moves arrive a step later, when the slider may already be elsewhere.
    if active and changed and current not in sent:
        st.session_state[key] = current

    def send() -> None:
        with mistakes():
            lab().change(shown.id, "method.threshold", st.session_state[key])
            sent.append(st.session_state[key])

    left, right = st.columns([3, 1], vertical_alignment="bottom")
    st.session_state.setdefault(key, current)
    help_text = schema["properties"]["threshold"]["description"]
    value = left.slider("Threshold τ of this run", 0.0, 1.0, step=0.01, key=key, help=help_text, on_change=send if active else None)
    if active:
        right.caption("moves while it trains")
    elif right.button(f"Retrain at {value:.2f}", key="train_retrain_at", width="stretch"):
        start(apply_changes(settings, {"method.threshold": value}))


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
        story, ghost = Story.read(now), ghost_of(now)
        progress(now.status)
        tiles(story, ghost)
        curves(story, ghost, "train")
        pseudo_label_gallery(now, "train")

    live()


with run_side:
    if run is None:
        st.info("No run is open. Set something up on the left, or simply press Start: its curves appear here.", icon=":material/show_chart:")
    else:
        st.subheader(plain(run.name), anchor=False)
        buttons(run)
        if not lab().trains and run.status.active:
            st.info("Another FewLab trains in this checkpoints folder; this one watches and takes over when it ends.")
        waiting = [other for other in lab().store.queue() if other.id != run.id]
        if waiting:
            st.caption(f"{len(waiting)} more waiting: " + ", ".join(plain(other.name) for other in waiting[:3]))
        live_settings(run)
        watch(run)
        if run.status.state in ("finished", "stopped"):
            followers = st.columns(3)
            if followers[0].button("Predict with it", key="train_predict", icon=":material/image_search:", width="stretch"):
                open_page("pages/predict.py", run.id)
            if followers[1].button("Compare", key="train_compare", icon=":material/compare_arrows:", width="stretch"):
                st.session_state["compare_chosen"] = list(dict.fromkeys(r for r in (run.id, st.session_state.get("train_ghost")) if r))
                open_page("pages/compare.py")
            st.caption("One run with one draw of labels. Another draw can differ by many points: start 5 seeds before quoting a number.")

method = catalog()["methods"][config["method"]["name"]]
how_it_works(f"**{method['title']}.** {method['idea']}", f"$${method['formula']}$$", f"Paper: {plain(method['paper'])}")
