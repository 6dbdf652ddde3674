"""Errors: what a run takes for what, with the images behind every number."""

from __future__ import annotations

import streamlit as st

from engine.runs.store import Run
from ui.errors.calibration_view import reliability, rocs
from ui.errors.comparison_view import against, worst_mistakes
from ui.errors.confusion_view import classes, matrix
from ui.errors.image_browser import known
from ui.runs.run_bar import Inside, elsewhere, evaluation, look_into, play_interval, same_images
from ui.shell.page import header, how_it_works, mistakes, nothing_yet
from ui.shell.remembered import address, follow, keep, kept, one_of
from ui.shell.server import lab
from ui.style import formatting

header("Errors", "See what is taken for what, and open the images behind every number.")
_KEY = "errors"


def page(inside: Inside, others: list[Run]) -> None:
    step = evaluation(inside, _KEY)
    parts = [part for part in ("test", "validation") if len(known(inside, step, part)[0])]
    if not parts:
        if inside.images is None:
            st.info("The images of this run, and with them their true labels, are not on this machine.")
        elif not len(inside.part(step, "test")[0]) and not len(inside.part(step, "validation")[0]):
            st.info(
                "The network gave no answers at this evaluation: where it learns features alone, only the last one has"
                " them, by its probe."
            )
        else:
            st.info("No image with a known label was looked at: there is nothing to compare with.")
        return
    place = f"{_KEY}_part"
    follow("part", place, inside.run.id, one_of(parts))
    part = (
        st.segmented_control("Images", parts, default=kept(place, parts[0], parts), key=place)
        if len(parts) > 1
        else None
    ) or parts[0]
    keep(place, part, stands_in=part == parts[0] and kept(place, part) not in parts)
    address("part", part)
    ids, probabilities, truth = known(inside, step, part)
    right_ones = int((probabilities.argmax(1) == truth).sum())
    st.markdown(
        f"**{formatting.percent(right_ones / len(truth))}** right: {formatting.count(right_ones)} of"
        f" {formatting.count(len(truth))} {part} images of this evaluation."
    )
    everything, final = len(inside.run.folder.split()[part]), inside.run.status.metrics.get(f"{part}/accuracy")
    if everything > len(truth) and final is not None:
        st.caption(
            f"Evaluations keep a fixed sample of them. Over all {formatting.count(everything)}, the run ended at"
            f" {formatting.percent(final)}."
        )
    matrix(inside, ids, probabilities, truth, part, step)
    worst_mistakes(inside, ids, probabilities, truth, part, step)
    left, right = st.columns(2)
    with left:
        rocs(inside, probabilities, truth)
    with right:
        reliability(inside, step, part, probabilities, truth)
    classes(inside, probabilities, truth)
    st.subheader("Against another run", anchor=False)
    if others:
        against(inside, others, part, step)
    else:
        st.caption("A second run on the same images can be compared here.")


def guarded(inside: Inside, others: list[Run]) -> None:
    with mistakes():  # around the fragment it would see nothing: a fragment keeps its exceptions to itself
        page(inside, others)


runs = [run for run in lab().store.runs() if run.folder.snapshot_steps()]
if not runs:
    nothing_yet(
        "No run has been evaluated yet. Start one, and its mistakes can be looked at here.", ":material/troubleshoot:"
    )
else:
    with mistakes():
        found = look_into(runs)
        if found is not None:
            elsewhere(
                found.run,
                ["pages/train.py", "pages/pseudo_labels.py", "pages/space.py", "pages/compare.py", "pages/predict.py"],
            )
            st.fragment(guarded, run_every=play_interval(_KEY))(found, same_images(found, runs))

how_it_works(
    "A confusion matrix has a row for each true class and a column for each answer; what lies off the diagonal is"
    " mistaken. Each number opens its images.",
    "A ROC curve shows, for every threshold on one class's probability, how many of its images are found and how many"
    " others are taken for it; 1 is the best area, 0.5 is chance.",
    "Temperature scaling divides the logits by one number, fitted on validation images, so that the model is as sure"
    " as it is right. $$p_k \\propto \\exp(z_k / T)$$ Paper: Guo et al. 2017, arXiv:1706.04599",
)
