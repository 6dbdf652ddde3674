"""What the newest evaluation shows beside the curves: confidences, candidate weights, pseudo-labels, views."""

from __future__ import annotations

import numpy as np
import streamlit as st

from engine.runs.store import Run
from ui.components.gallery import GalleryItem, gallery, image_uri
from ui.components.live_figure import live_figure
from ui.figures.candidate_bars import bars, in_words
from ui.figures.classification import confidence_histogram
from ui.runs.counted_images import of_histogram, show_predicted
from ui.runs.image_gallery import captioned
from ui.runs.image_panel import image_panel, show_image
from ui.runs.run_bar import open_run
from ui.shell.server import catalog
from ui.style import colors, formatting
from ui.style.theme import ink
from ui.train.latest_evaluation import LatestEvaluation, latest_evaluation

_LATEST = 24  # images in the gallery of pseudo-labels
_SHOWN = 6  # images whose views are shown
_PLACES = 1000  # more than there are views on the page
_BARS, _WIDEST = 5, 5  # images with bars of their candidates, and bars of one image at most


def has_evaluation_figure(run: Run) -> bool:
    """Of a run that weighs candidates, or whose newest evaluation has pseudo-labels."""
    if _is_partial(run):
        return True
    latest = latest_evaluation(run)
    return latest is not None and "pseudo_confidence" in latest.arrays


def evaluation_figure(run: Run, key: str) -> None:
    """The weights of candidate labels where the run has them, else the histogram of confidences."""
    if _is_partial(run):
        candidate_weights(run, key)
    else:
        histogram(run, key)


def candidate_weights(run: Run, key: str) -> None:
    """A few images with the weights of their candidates, the true one marked where it is known."""
    latest = latest_evaluation(run)
    if latest is None or latest.images is None or "candidate_weights" not in latest.arrays:
        st.caption("Candidate label weights appear after the first evaluation.")
        return
    arrays, images = latest.arrays, latest.images
    several = np.flatnonzero(arrays["candidate_sets"].sum(1) > 1)
    chosen = (
        several[np.linspace(0, len(several) - 1, min(_BARS, len(several))).astype(int)] if len(several) else several
    )
    st.markdown("**Candidate label weights** (✓ = true label)")
    for place, i in enumerate(chosen):
        row = int(images.rows(arrays["candidate_ids"][i : i + 1])[0])
        truth, weights = int(images.labels[row]), arrays["candidate_weights"][i].astype(float)
        candidates = np.flatnonzero(arrays["candidate_sets"][i])
        heaviest = candidates[np.argsort(-weights[candidates], kind="stable")][:_WIDEST]
        left, right = st.columns([1, 6], vertical_alignment="center")
        image = GalleryItem(int(arrays["candidate_ids"][i]), image_uri(np.asarray(images.images[row])))
        with left:
            clicked = gallery([image], key=f"{key}_candidate_{place}", thumb=40)
        if clicked is not None:
            show_image(open_run(run), clicked, key)
        named = [(images.class_names[k] + (" ✓" if k == truth else ""), float(weights[k])) for k in heaviest]
        right.image(bars(named, ink(), beside=True), width="stretch", alt=in_words(named))


def histogram(run: Run, key: str) -> None:
    """Confidences of the latest pseudo-labels, correct and incorrect stacked, with the threshold drawn in."""
    latest = latest_evaluation(run)
    if latest is None or "pseudo_confidence" not in latest.arrays:  # rewritten since it was looked for
        return
    arrays, predicted = latest.arrays, latest.pseudo_labels()
    edges = np.linspace(0, 1, 21)
    correct, incorrect, unknown = (
        np.histogram(predicted.confidence[chosen], edges)[0]
        for chosen in (predicted.correct, predicted.incorrect, predicted.truth < 0)
    )
    threshold = float(arrays["pseudo_threshold"][-1]) if "pseudo_threshold" in arrays else None
    figure = confidence_histogram(correct, incorrect, unknown if unknown.any() else None, edges, threshold)
    bar = live_figure(figure, key=f"{key}_histogram", revision=run.id, height=325, clickable=True)
    if bar is not None and bar["customdata"]:
        title, counted = of_histogram(predicted, edges, bar["customdata"])
        show_predicted(open_run(run), title, predicted, counted, key)


def evaluation_galleries(run: Run, key: str) -> None:
    """The latest pseudo-labels, and the views that the network was shown; nothing before the first evaluation."""
    latest = latest_evaluation(run)
    if latest is None or latest.images is None:
        return
    if "pseudo_ids" in latest.arrays:
        _pseudo_labels(latest, key)
    _views(latest, key)
    image_panel(open_run(run), latest.step, key)


def _pseudo_labels(latest: LatestEvaluation, key: str) -> None:
    """The most confident first."""
    arrays, images = latest.arrays, latest.images
    assert images is not None
    used = np.flatnonzero(arrays["pseudo_weight"] > 0)[-_LATEST:]
    st.markdown(
        f"**Latest pseudo-labels** (step {formatting.count(latest.step)})"
        if len(used)
        else "**No prediction has reached the threshold yet**"
    )
    items: dict[int, GalleryItem] = {}  # by image: one of several batches is shown once, as it was most confident
    for i in used[np.argsort(-arrays["pseudo_confidence"][used], kind="stable")]:
        sample = int(arrays["pseudo_ids"][i])
        row = int(images.rows(arrays["pseudo_ids"][i : i + 1])[0])
        confidence = formatting.percent(float(arrays["pseudo_confidence"][i]))
        label, truth = int(arrays["pseudo_labels"][i]), int(images.labels[row])
        uri = image_uri(np.asarray(images.images[row]))
        items.setdefault(sample, captioned(sample, uri, label, truth, images.class_names, (confidence,)))
    clicked = gallery(list(items.values()), key=f"{key}_gallery", thumb=56)
    if clicked is not None:
        show_image(open_run(latest.run), clicked, key)


def _views(latest: LatestEvaluation, key: str) -> None:
    """Side by side for each of a few images, the weak view first."""
    names = [name for name in latest.arrays if name.startswith("view_") and name != "view_ids"]
    if not names:
        return
    names.sort(key=lambda name: (name == "view_strong", name))
    method = catalog()["methods"].get(latest.run.config["method"]["name"], {})
    titles = method.get("view_titles", {})
    st.markdown(f"**{method.get('views_caption', 'What the network was shown')}**")
    items = []
    ids = latest.arrays.get("view_ids")  # runs of earlier versions have none
    for i in range(min(_SHOWN, len(latest.arrays[names[0]]))):
        for j, name in enumerate(names):
            view = name.removeprefix("view_")
            title = titles.get(view, view.replace("_", " "))
            # An image may be in a batch twice, and each button needs a number of its own.
            number = _PLACES * (0 if ids is None else int(ids[i])) + len(names) * i + j
            items.append(GalleryItem(number, image_uri(latest.arrays[name][i]), (title,), colors.MUTED))
    clicked = gallery(items, key=f"{key}_views", thumb=56)
    if clicked is not None and ids is not None:
        show_image(open_run(latest.run), clicked // _PLACES, key)


def _is_partial(run: Run) -> bool:
    return (run.config["data"].get("labels") or {}).get("kind") == "partial"
