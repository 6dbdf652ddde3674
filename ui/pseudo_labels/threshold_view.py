"""What a threshold keeps: in numbers, over all thresholds, over the evaluations, for each class."""

from __future__ import annotations

import numpy as np
import streamlit as st

from engine.analysis.metrics import calibration_of, error_of
from engine.analysis.thresholds import Guesses, Kept, kept, starved, sweep
from ui.components.live_figure import live_figure
from ui.figures.classification import confidence_histogram
from ui.figures.curves import Mark, Series, line_chart
from ui.figures.pseudo_labels import class_counts, class_shares, reliability_diagram
from ui.runs.run_bar import Inside
from ui.shell.page import plain
from ui.style import colors, formatting

_KEY = "pseudo"
_THRESHOLDS = np.linspace(0, 1, 101)


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
