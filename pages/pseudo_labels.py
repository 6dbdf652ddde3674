"""Pseudo-labels: what a run predicted for its unlabeled images, and what another threshold would have selected."""

from __future__ import annotations

import streamlit as st

from engine.analysis.evaluated_run import EvaluatedRun
from engine.analysis.thresholds import apply_threshold
from ui.pseudo_labels.galleries import galleries
from ui.pseudo_labels.runs_with_pseudo_labels import has_unlabeled
from ui.pseudo_labels.threshold_view import class_figures, histogram, reliability, threshold_curves, tiles
from ui.runs.current_run import open_page, watch_new_run
from ui.runs.image_panel import image_panel
from ui.runs.run_bar import evaluation_slider, play_interval, run_bar
from ui.runs.threshold_parameter import last_threshold, retrained, threshold_parameter
from ui.shell.page import empty_state, guarded_fragment, header, how_it_works, show_errors
from ui.shell.remembered import read_query_param, remember, remembered, set_query_param, share_from_text
from ui.shell.server import lab
from ui.style import formatting

header("Pseudo-labels", "Inspect pseudo-labels and their confidence, and see what another threshold would select.")
_KEY = "pseudo"


def retrain(run: EvaluatedRun, parameter: str, threshold: float) -> None:
    with show_errors(), st.spinner("Starting …"):
        folder = lab().submit(retrained(run.folder.config(), parameter, threshold))
        watch_new_run(folder.id, run.id)
        open_page("pages/train.py", folder.id)


def pick_threshold(run: EvaluatedRun) -> float:
    """The slider, and where the method has a threshold the button that trains with it."""
    line = st.container(horizontal=True, vertical_alignment="bottom", gap="small")
    state_key = f"{_KEY}_threshold_{run.id}"
    read_query_param("tau", state_key, run.id, share_from_text)
    default = last_threshold(run)
    chosen: float | None = remembered(state_key, None)
    threshold = line.slider("Threshold τ", 0.0, 1.0, default if chosen is None else chosen, step=0.01, key=state_key)
    remember(state_key, threshold if threshold != default else None)
    set_query_param("tau", threshold)
    parameter = threshold_parameter(run.config)
    if parameter is not None and line.button(
        f"Retrain at {threshold:.2f}", key=f"{_KEY}_retrain", type="primary", icon=":material/replay:"
    ):
        retrain(run, parameter.key, threshold)
    return threshold


def page(run: EvaluatedRun) -> None:
    selection = evaluation = st.container()
    if len(run.steps) > 1:
        evaluation, selection = st.columns(2, gap="medium", vertical_alignment="bottom")
    with evaluation:
        step = evaluation_slider(run, _KEY)
    with selection:
        threshold = pick_threshold(run)
    pseudo_labels = run.predictions(step, "unlabeled").as_pseudo_labels()
    result = apply_threshold(pseudo_labels, threshold, len(run.class_names))
    tiles(run, pseudo_labels, result, threshold, _KEY)
    # The numbers first: the images take longest.
    chart, images = st.columns([5, 6], gap="medium")
    with chart:
        histogram(run, pseudo_labels, threshold, _KEY)
    with images:
        galleries(run, pseudo_labels, threshold, _KEY)
    st.caption(
        f"Counted over the {formatting.count(len(pseudo_labels.ids))} unlabeled images of each evaluation; the mask"
        " rate on the Train page counts the weak views in each batch."
    )
    threshold_curves(run, pseudo_labels, threshold, step)
    class_figures(run, pseudo_labels, result, threshold, _KEY)
    with st.columns(2)[0]:
        reliability(run, pseudo_labels, _KEY)
    image_panel(run, step, _KEY, threshold=threshold)


runs = [run for run in lab().store.runs() if has_unlabeled(run) and run.folder.snapshot_steps()]
if not runs:
    empty_state(
        "pseudo_labels", "No run with unlabeled images yet. Start one, and its pseudo-labels can be inspected here."
    )
else:
    with show_errors():
        links = ["pages/train.py", "pages/space.py", "pages/errors.py", "pages/compare.py", "pages/predict.py"]
        evaluated = run_bar(
            runs, links, "has no pseudo-labels: they come from the evaluations of a run with a few labels"
        )
        if evaluated is not None:
            if len(evaluated.predictions(evaluated.steps[-1], "unlabeled")):
                guarded_fragment(page, play_interval(_KEY))(evaluated)
            else:
                st.info("This run has no predictions for unlabeled images: it had none, or is still to be evaluated.")

how_it_works(
    "At every evaluation the averaged network predicts a fixed sample of up to 2,000 unlabeled images, after the last"
    " step 5,000, and all probabilities are stored. A threshold selects the predictions with enough confidence.",
    "$$\\text{mask rate}(\\tau) = \\frac{1}{N}\\sum_i \\mathbb 1[\\max_k p_{ik} \\ge \\tau]$$",
    "Moving τ here trains nothing: it asks what another threshold would select from the same predictions. A run trained"
    " with it would make other predictions; the button starts one.",
)
