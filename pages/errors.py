"""Errors: which classes a run confuses, with the images behind every number."""

from __future__ import annotations

import streamlit as st

from engine.analysis.evaluated_run import EvaluatedRun
from engine.runs.store import Run
from ui.errors.calibration_view import reliability_view, roc_view
from ui.errors.comparison_view import compare_runs
from ui.errors.confusion_view import confusion_matrix_view, most_confident_errors, per_class_metrics, pick_numbers
from ui.runs.image_panel import image_panel
from ui.runs.run_bar import evaluation_slider, play_interval, run_bar
from ui.shell.page import empty_state, guarded_fragment, header, how_it_works, show_errors
from ui.shell.remembered import one_of, read_query_param, remember, remembered, set_query_param
from ui.shell.server import lab
from ui.style import formatting

header("Errors", "See which classes are confused, and open the images behind every cell.")
_KEY = "errors"


def pick_part(run: EvaluatedRun, parts: list[str]) -> str:
    state_key = f"{_KEY}_part"
    read_query_param("part", state_key, run.id, one_of(parts))
    part = parts[0]
    if len(parts) > 1:
        default = remembered(state_key, parts[0], parts)
        part = st.segmented_control("Images", parts, default=default, key=state_key) or parts[0]
    remember(state_key, part, is_fallback=part == parts[0] and remembered(state_key, part) not in parts)
    set_query_param("part", part)
    return part


def say_why_nothing_is_shown(run: EvaluatedRun, step: int) -> None:
    if run.images is None:
        st.info("The images of this run, and with them their true labels, are not on this machine.")
    elif not any(len(run.predictions(step, part)) for part in ("test", "validation")):
        st.info(
            "There are no predictions at this evaluation: where a network learns features only, the last evaluation"
            " alone has them, from its linear probe."
        )
    else:
        st.info("No image with a known label was evaluated: there is nothing to compare predictions with.")


def page(run: EvaluatedRun, others: list[Run]) -> None:
    evaluation, choice, numbers = st.columns([5, 2, 3], gap="medium", vertical_alignment="bottom")
    with evaluation:
        step = evaluation_slider(run, _KEY)
    parts = [part for part in ("test", "validation") if len(run.predictions(step, part).with_known_label())]
    if not parts:
        say_why_nothing_is_shown(run, step)
        return
    with choice:
        part = pick_part(run, parts)
    with numbers:
        shares = pick_numbers(run)
    predictions = run.predictions(step, part).with_known_label()
    confusion_matrix_view(run, predictions, shares, _KEY)
    everything, final = len(run.folder.split()[part]), run.status.metrics.get(f"{part}/accuracy")
    if everything > len(predictions) and final is not None:
        st.caption(
            f"Evaluations keep the predictions for a fixed sample of the {part} images; these are what opens here. On"
            f" all {formatting.count(everything)}, the final accuracy is {formatting.percent(final)}."
        )
    most_confident_errors(run, predictions, _KEY)
    left, right = st.columns(2)
    with left:
        roc_view(run, predictions)
    with right:
        reliability_view(run, predictions, _KEY)
    per_class_metrics(run, predictions, _KEY)
    st.subheader("Compare with another run", anchor=False)
    if others:
        compare_runs(run, others, predictions, _KEY)
    else:
        st.caption("A second run on the same images can be compared here.")
    image_panel(run, step, _KEY)


runs = [run for run in lab().store.runs() if run.folder.snapshot_steps()]
if not runs:
    empty_state("errors", "No run has been evaluated yet. Start one, and its errors can be inspected here.")
else:
    with show_errors():
        links = ["pages/train.py", "pages/pseudo_labels.py", "pages/space.py", "pages/compare.py", "pages/predict.py"]
        evaluated = run_bar(runs, links)
        if evaluated is not None:
            guarded_fragment(page, play_interval(_KEY))(evaluated, evaluated.with_same_images(runs))

how_it_works(
    "A confusion matrix has a row for each true class and a column for each predicted class; errors are off the"
    " diagonal. Click a number to see its images.",
    "A ROC curve shows, for every threshold on the probability of one class, the share of its images found (true"
    " positives) against the share of all others mistaken for it (false positives). The area is 1 at best, 0.5 by"
    " chance.",
    "Temperature scaling divides the logits by one number, fitted on validation images, so that confidence matches"
    " accuracy. $$p_k \\propto \\exp(z_k / T)$$ Paper: Guo et al. 2017, arXiv:1706.04599",
)
