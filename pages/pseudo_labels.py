"""Pseudo-labels: what a run took its unlabeled images for, how surely, and what another threshold would have kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

from engine.analysis.metrics import calibration_of, error_of
from engine.analysis.thresholds import Guesses, Kept, kept, starved, sweep
from engine.config.overlay import apply_changes
from ui.components.live_figure import live_figure
from ui.figures.classification import confidence_histogram
from ui.figures.curves import Mark, Series, line_chart
from ui.figures.pseudo_labels import class_counts, class_shares, reliability_diagram
from ui.runs.current_run import GHOST, open_page, watch_new_run
from ui.runs.image_gallery import Shown, image_gallery
from ui.runs.image_history import biography
from ui.runs.run_bar import Inside, elsewhere, evaluation, look_into, play_interval
from ui.shell.page import header, how_it_works, mistakes, nothing_yet, plain
from ui.shell.remembered import address, follow, keep
from ui.shell.remembered import kept as kept_choice
from ui.shell.server import lab
from ui.style import colors, formatting

header(
    "Pseudo-labels",
    "See what the model took the unlabeled images for, how surely, and what another threshold would have kept.",
)
_THRESHOLDS = np.linspace(0, 1, 101)
_GALLERY = 36
_KEY = "pseudo"
GALLERIES = {
    "mistakes": "Most confident mistakes",
    "below": "Just below the threshold",
    "flipped": "Changed their mind most often",
}


def default_threshold(inside: Inside) -> float:
    changed = [
        change.value
        for change in inside.run.folder.changes()
        if change.key == "method.threshold" and isinstance(change.value, (int, float))
    ]
    return round(float(changed[-1] if changed else inside.run.config["method"].get("threshold", 0.95)), 2)


def share(text: str) -> float:
    """Raises ValueError on what is no number from 0 to 1."""
    value = round(float(text), 2)
    if not 0 <= value <= 1:
        raise ValueError(text)
    return value


def tiles(guesses: Guesses, found: Kept, threshold: float) -> None:
    columns = st.columns(3)
    columns[0].metric(
        "Kept",
        formatting.percent(found.mask_rate),
        help=(
            f"{formatting.count(found.count)} of {formatting.count(len(guesses.ids))} unlabeled images are at or"
            " above the threshold."
        ),
    )
    columns[1].metric(
        "Of them right",
        formatting.percent(found.accuracy),
        help="Where the true label is known. The method itself never sees it.",
    )
    columns[2].metric(
        "Wrong ones kept",
        formatting.count(int((guesses.wrong & (guesses.confidence.astype(np.float64) >= threshold)).sum())),
        help="Each of them teaches the network something false.",
    )


def threshold_figures(inside: Inside, guesses: Guesses, threshold: float) -> None:
    edges = np.linspace(0, 1, 21)
    unknown = guesses.truth < 0
    counts = [
        np.histogram(guesses.confidence[chosen].astype(float), edges)[0]
        for chosen in (guesses.right, guesses.wrong, unknown)
    ]
    left, right = st.columns(2)
    with left:
        title = "How sure it is: right of the line is kept"
        live_figure(
            confidence_histogram(
                counts[0], counts[1], counts[2] if unknown.any() else None, edges, threshold, title=title
            ),
            key=f"{_KEY}_histogram",
            revision=inside.run.id,
        )
    with right:
        rates, accuracies = sweep(guesses, _THRESHOLDS)
        series = [
            Series("kept", _THRESHOLDS, rates, colors.PURPLE, "dot"),
            Series("of them right", _THRESHOLDS, accuracies, colors.GREEN),
        ]
        figure = line_chart(
            "Every threshold: fewer kept, more of them right",
            "share",
            series,
            marks=[Mark(threshold, f"τ = {threshold:.2f}")],
            percent=True,
            x_max=1,
            x_title="threshold τ",
            x_format=".2f",
        )
        live_figure(figure, key=f"{_KEY}_sweep", revision=inside.run.id)


def time_figures(inside: Inside, found: Kept, threshold: float, step: int) -> None:
    classes = len(inside.class_names)
    lives = inside.lives()
    left, right = st.columns(2)
    with left:
        truth = inside.truth(lives.ids)
        over = [
            kept(Guesses(lives.ids, labels, confidence, truth), threshold, classes)
            for labels, confidence in zip(lives.labels, lives.confidence, strict=True)
        ]
        series = [
            Series("kept", lives.steps, [one.mask_rate for one in over], colors.PURPLE, "dot"),
            Series("of them right", lives.steps, [one.accuracy for one in over], colors.GREEN),
        ]
        figure = line_chart(
            f"With τ = {threshold:.2f} at every evaluation",
            "share",
            series,
            marks=[Mark(step, "shown")],
            percent=True,
            x_max=max(inside.run.status.steps, 1),
        )
        live_figure(figure, key=f"{_KEY}_over", revision=inside.run.id)
    with right:
        figure = class_counts(
            "Which classes get pseudo-labels",
            inside.class_names,
            found.used,
            found.coverage,
            "of its own images kept",
        )
        live_figure(figure, key=f"{_KEY}_classes", revision=inside.run.id)
    hungry = starved(found.used)
    if len(hungry) and found.count:
        names = ", ".join(plain(inside.class_names[k]) for k in hungry[:8]) + (
            f" and {len(hungry) - 8} more" if len(hungry) > 8 else ""
        )
        st.warning(
            f"Starved at this threshold: {names}. Fewer than a quarter of an even share; such classes are easily lost"
            " altogether.",
            icon=":material/no_meals:",
        )


def against_truth(inside: Inside, guesses: Guesses, found: Kept) -> None:
    """What only the true labels can tell, which the method itself never sees."""
    known = guesses.truth >= 0
    if not known.any():
        st.caption(
            "How well its confidence can be trusted, and how much of each class it covers, is known only where true"
            " labels are."
        )
        return
    left, right = st.columns(2)
    with left:
        figure = class_shares(
            "How much of each class is kept", inside.class_names, found.coverage, "of its images kept"
        )
        live_figure(figure, key=f"{_KEY}_coverage", revision=inside.run.id)
    with right:
        bins = calibration_of(guesses.confidence[known], guesses.right[known])
        figure = reliability_diagram(
            [("unlabeled images", bins, error_of(bins), colors.RIGHT)],
            "As sure as it is right? Bars below the line promise too much",
        )
        live_figure(figure, key=f"{_KEY}_reliability", revision=inside.run.id)


def chosen_images(inside: Inside, guesses: Guesses, threshold: float, which: str) -> list[tuple[Any, ...]]:
    """All that belong there, the most telling first: places in `guesses`, each with what its caption adds."""
    confidence = guesses.confidence.astype(float)
    if which == "mistakes":
        wrong = np.flatnonzero(guesses.wrong)
        return [(int(i),) for i in wrong[np.argsort(-confidence[wrong], kind="stable")]]
    if which == "below":
        below = np.flatnonzero(confidence < threshold)
        return [(int(i),) for i in below[np.argsort(-confidence[below], kind="stable")]]
    lives = inside.lives()
    flips = lives.flips()
    order = [int(i) for i in np.argsort(-flips, kind="stable") if flips[i] > 0]
    places = {int(sample): place for place, sample in enumerate(guesses.ids)}
    return [(places[int(lives.ids[i])], f"{flips[i]} times") for i in order if int(lives.ids[i]) in places]


def galleries(inside: Inside, guesses: Guesses, threshold: float) -> None:
    which = (
        st.segmented_control(
            "Images",
            list(GALLERIES),
            default="mistakes",
            format_func=lambda one: GALLERIES[one],
            key=f"{_KEY}_gallery_kind",
        )
        or "mistakes"
    )
    shown = chosen_images(inside, guesses, threshold, which)
    if not shown:
        st.caption(
            {
                "mistakes": "No mistake is known.",
                "below": "Nothing lies below this threshold.",
                "flipped": "No image was ever taken for another class than before.",
            }[which]
        )
        return
    if len(shown) > _GALLERY:
        st.caption(f"The first {_GALLERY} of {formatting.count(len(shown))}.")
    images = [
        Shown(
            int(guesses.ids[i]),
            int(guesses.truth[i]),
            int(guesses.labels[i]),
            (formatting.percent(float(guesses.confidence[i])), *more),
        )
        for i, *more in shown[:_GALLERY]
    ]
    place = f"{_KEY}_image_{inside.run.id}"
    clicked = image_gallery(inside, images, f"{_KEY}_gallery_{which}", selected=st.session_state.get(place))
    if clicked is not None:
        st.session_state[place] = clicked
        st.rerun(scope="fragment")
    st.caption("Choose an image to read its biography." if place not in st.session_state else "")


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
