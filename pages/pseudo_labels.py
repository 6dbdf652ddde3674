"""Pseudo-labels: what a run took its unlabeled images for, how surely, and what another threshold would have kept."""

from __future__ import annotations

import streamlit as st

from engine.analysis.thresholds import kept
from engine.config.overlay import apply_changes
from ui.pseudo_labels.galleries import galleries
from ui.pseudo_labels.threshold_choice import default_threshold, share
from ui.pseudo_labels.threshold_view import against_truth, threshold_figures, tiles, time_figures
from ui.runs.current_run import GHOST, open_page, watch_new_run
from ui.runs.image_history import biography
from ui.runs.run_bar import Inside, elsewhere, evaluation, look_into, play_interval
from ui.shell.page import header, how_it_works, mistakes, nothing_yet
from ui.shell.remembered import address, follow, keep
from ui.shell.remembered import kept as kept_choice
from ui.shell.server import lab
from ui.style import formatting

header(
    "Pseudo-labels",
    "See what the model took the unlabeled images for, how surely, and what another threshold would have kept.",
)
_KEY = "pseudo"


def retrain(inside: Inside, threshold: float) -> None:
    with mistakes(), st.spinner("Starting …"):
        folder = lab().submit(apply_changes(inside.run.folder.config(), {"name": "", "method.threshold": threshold}))
        watch_new_run(folder.id, inside.run.id)
        st.session_state[GHOST] = inside.run.id
        open_page("pages/train.py", folder.id)


def page(inside: Inside) -> None:
    step = evaluation(inside, _KEY)
    left, right = st.columns([5, 2], vertical_alignment="bottom")
    place = f"{_KEY}_threshold_{inside.run.id}"
    follow("tau", place, inside.run.id, share)
    default = default_threshold(inside)
    chosen: float | None = kept_choice(place, None)
    threshold = left.slider(
        "Threshold τ: what would be kept", 0.0, 1.0, default if chosen is None else chosen, step=0.01, key=place
    )
    keep(place, threshold if threshold != default else None)
    address("tau", threshold)
    if "threshold" in inside.run.config["method"] and right.button(
        f"Retrain at {threshold:.2f}", key=f"{_KEY}_retrain", type="primary", icon=":material/replay:", width="stretch"
    ):
        retrain(inside, threshold)
    guesses = inside.guesses(step)
    found = kept(guesses, threshold, len(inside.class_names))
    tiles(guesses, found, threshold)
    st.caption(
        f"Counted over the {formatting.count(len(guesses.ids))} unlabeled images that each evaluation looked at;"
        " training's own mask rate counts the weak views of each batch."
    )
    threshold_figures(inside, guesses, threshold)
    time_figures(inside, found, threshold, step)
    against_truth(inside, guesses, found)
    galleries(inside, guesses, threshold)
    image = st.session_state.get(f"{_KEY}_image_{inside.run.id}")
    if image is not None:
        biography(inside, image, "unlabeled", step, _KEY, threshold=threshold)


def guarded(inside: Inside) -> None:
    with mistakes():  # around the fragment it would see nothing: a fragment keeps its exceptions to itself
        page(inside)


runs = [
    run
    for run in lab().store.runs()
    if (run.config["data"].get("labels") or {}).get("kind") == "few" and run.folder.snapshot_steps()
]
if not runs:
    nothing_yet(
        "No run with unlabeled images yet. Start one, and all its guesses can be looked at here.", ":material/label:"
    )
else:
    with mistakes():
        found = look_into(runs)
        if found is not None:
            elsewhere(
                found.run,
                ["pages/train.py", "pages/space.py", "pages/errors.py", "pages/compare.py", "pages/predict.py"],
            )
            if len(found.guesses(found.steps[-1]).ids):
                st.fragment(guarded, run_every=play_interval(_KEY))(found)
            else:
                st.info(
                    "This run kept no guesses of unlabeled images: it had none, or its evaluations are still to come."
                )

how_it_works(
    "After every few steps the averaged network looked at a fixed sample of up to 2,000 unlabeled images, after the"
    " last step 5,000, and all its probabilities were kept. A threshold keeps those guesses of which the model is sure"
    " enough.",
    "$$\\text{kept}(\\tau) = \\frac{1}{N}\\sum_i \\mathbb 1[\\max_k p_{ik} \\ge \\tau]$$",
    "Moving τ here trains nothing: it asks what another threshold would have kept of the same guesses. A run trained"
    " with it would have made other guesses; the button starts one.",
)
