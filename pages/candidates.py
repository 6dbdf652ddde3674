"""Candidates: which of several possible labels a run believes in, evaluation by evaluation."""

from __future__ import annotations

import copy

import streamlit as st

from engine.analysis.evaluated_run import EvaluatedRun
from engine.runs.store import Run
from ui.candidates.candidate_images import candidate_images
from ui.candidates.weights_view import figures, tiles
from ui.runs.current_run import open_page, watch_new_run
from ui.runs.image_panel import image_panel, show_image
from ui.runs.run_bar import evaluation_slider, play_interval, run_bar
from ui.shell.page import empty_state, guarded_fragment, header, how_it_works, show_errors
from ui.shell.server import lab

header("Candidates", "See which of several possible labels a run believes in, and where it was misled.")
_KEY = "candidates"


def is_partial(run: Run) -> bool:
    return (run.config["data"].get("labels") or {}).get("kind") == "partial"


def has_rate(run: EvaluatedRun) -> bool:
    """Whether the candidates were drawn at a rate, and did not come with the images or follow from an earlier run."""
    labels = run.config["data"]["labels"]
    return labels.get("generator", "uniform") in ("uniform", "confusable")


def pick_rate(run: EvaluatedRun) -> None:
    """The rate that the candidates were made with, and a button that trains with another one."""
    line = st.container(horizontal=True, vertical_alignment="bottom", gap="small")
    given = float(run.config["data"]["labels"].get("rate", 0.0))
    rate = line.slider(
        "Rate of wrong candidates q",
        0.0,
        0.99,
        given,
        step=0.01,
        key=f"{_KEY}_rate_{run.id}",
        help="The probability with which each wrong label is among an image's candidates. Moving it changes nothing of"
        " this run: the button starts another one.",
    )
    if line.button(f"Retrain at {rate:.2f}", key=f"{_KEY}_retrain", type="primary", icon=":material/replay:"):
        config = copy.deepcopy(run.folder.config())
        config["data"]["labels"]["rate"] = rate
        config["name"] = ""
        with show_errors(), st.spinner("Starting …"):
            folder = lab().submit(config)
            watch_new_run(folder.id, run.id)
            open_page("pages/train.py", folder.id)


def page(run: EvaluatedRun) -> None:
    evaluation, rate = st.columns(2, gap="medium", vertical_alignment="bottom")
    with evaluation:
        step = evaluation_slider(run, _KEY)
    if has_rate(run):
        with rate:
            pick_rate(run)
    weights = run.candidate_weights(step)
    if weights is None:
        st.info("This method weighs no candidates: it learns from whole sets, and Errors shows the result.")
        return
    if not len(weights):
        st.info("Every image of this evaluation has one candidate: nothing was open.")
        return
    tiles(run, weights, _KEY)
    figures(run, weights, step, _KEY)
    asked = candidate_images(run, weights)
    if asked is not None:
        show_image(run, asked, _KEY)
    image_panel(run, step, _KEY)


runs = [run for run in lab().store.runs() if is_partial(run) and run.folder.snapshot_steps()]
if not runs:
    empty_state(
        "candidates",
        "No run with several possible labels per image yet. Start one, and its candidates can be inspected here.",
    )
else:
    with show_errors():
        links = ["pages/train.py", "pages/space.py", "pages/errors.py", "pages/compare.py", "pages/predict.py"]
        evaluated = run_bar(runs, links, "has no candidates: its images have one label each, or none")
        if evaluated is not None:
            guarded_fragment(page, play_interval(_KEY))(evaluated)

how_it_works(
    "Each training image comes with a set of possible labels, exactly one of which is true. A method that identifies it"
    " keeps a weight for every candidate, and every evaluation stores the weights of up to 2,000 images.",
    "$$\\text{entropy} = \\frac{1}{N}\\sum_i \\frac{-\\sum_{j \\in S_i} w_{ij} \\log w_{ij}}{\\log |S_i|}$$",
    "A wrong survivor is a false label that the network now trains on with full weight: it was misled early, and its"
    " own"
    " predictions keep it there. A higher rate of wrong candidates makes that more frequent.",
)
