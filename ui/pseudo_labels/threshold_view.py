"""What a threshold selects: in numbers, over all thresholds, over the evaluations, for each class."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import streamlit as st

from engine.analysis.evaluated_run import EvaluatedRun
from engine.analysis.metrics import calibration_of, error_of
from engine.analysis.thresholds import (
    PseudoLabelSet,
    ThresholdResult,
    apply_threshold,
    is_above,
    sweep,
    underrepresented,
)
from ui.components.live_figure import live_figure
from ui.figures.classification import confidence_histogram
from ui.figures.curves import Mark, Series, line_chart
from ui.figures.pseudo_labels import RELIABILITY, class_counts, class_shares, reliability_diagram
from ui.runs.counted_images import metric_of_images, of_histogram, of_reliability, show_predicted
from ui.shell.page import escape_markdown
from ui.style import colors, formatting

_THRESHOLDS = np.linspace(0, 1, 101)
_RATE, _ACCURACY = "above threshold", "pseudo-label accuracy"
_BESIDE_GALLERY = 440  # pixels of the histogram
_NAMED = 8  # under-represented classes that are named


def tiles(
    run: EvaluatedRun, pseudo_labels: PseudoLabelSet, result: ThresholdResult, threshold: float, page: str
) -> None:
    """What the threshold selects in three numbers, each of which opens the images that it counts."""
    above = is_above(pseudo_labels, threshold)
    columns = st.columns(3)
    with columns[0]:
        all_of_them = metric_of_images(
            "Above threshold",
            formatting.percent(result.mask_rate),
            "pseudo_above",
            help=(
                f"{formatting.count(result.count)} of {formatting.count(len(pseudo_labels.ids))} unlabeled images are"
                " at or above the threshold."
            ),
        )
    with columns[1]:
        correct = metric_of_images(
            "Pseudo-label accuracy",
            formatting.percent(result.accuracy),
            "pseudo_correct",
            help="Of the pseudo-labels above the threshold whose true label is known. The method itself never sees it.",
        )
    with columns[2]:
        incorrect = metric_of_images(
            "Incorrect pseudo-labels",
            formatting.count(result.incorrect),
            "pseudo_incorrect",
            help="Above the threshold: each of them trains the network on a false label.",
        )
    if all_of_them:
        show_predicted(run, f"Pseudo-labels at τ = {threshold:.2f}", pseudo_labels, above, page)
    if correct:
        title = f"Correct pseudo-labels at τ = {threshold:.2f}"
        show_predicted(run, title, pseudo_labels, above & pseudo_labels.correct, page)
    if incorrect:
        title = f"Incorrect pseudo-labels at τ = {threshold:.2f}"
        show_predicted(run, title, pseudo_labels, above & pseudo_labels.incorrect, page)


def histogram(run: EvaluatedRun, pseudo_labels: PseudoLabelSet, threshold: float, page: str) -> None:
    edges = np.linspace(0, 1, 21)
    unknown = pseudo_labels.truth < 0
    correct, incorrect, hidden = (
        np.histogram(pseudo_labels.confidence[chosen].astype(float), edges)[0]
        for chosen in (pseudo_labels.correct, pseudo_labels.incorrect, unknown)
    )
    figure = confidence_histogram(correct, incorrect, hidden if unknown.any() else None, edges, threshold)
    bar = live_figure(figure, key="pseudo_histogram", revision=run.id, clickable=True, height=_BESIDE_GALLERY)
    if bar is not None and bar["customdata"]:
        title, counted = of_histogram(pseudo_labels, edges, bar["customdata"])
        show_predicted(run, title, pseudo_labels, counted, page)


def threshold_curves(run: EvaluatedRun, pseudo_labels: PseudoLabelSet, threshold: float, step: int) -> None:
    """Every threshold at this evaluation, and this threshold at every evaluation."""
    left, right = st.columns(2)
    with left:
        rates, accuracies = sweep(pseudo_labels, _THRESHOLDS)
        figure = line_chart(
            "Mask rate and accuracy at every threshold",
            "share",
            _rate_and_accuracy(_THRESHOLDS, rates, accuracies),
            marks=[Mark(threshold, f"τ = {threshold:.2f}")],
            percent=True,
            x_max=1,
            x_title="threshold τ",
            x_format=".2f",
        )
        live_figure(figure, key="pseudo_sweep", revision=run.id)
    with right:
        history = run.prediction_history()
        truth = run.true_labels(history.ids)
        results = [
            apply_threshold(PseudoLabelSet(history.ids, labels, confidence, truth), threshold, len(run.class_names))
            for labels, confidence in zip(history.labels, history.confidence, strict=True)
        ]
        series = _rate_and_accuracy(
            history.steps, [one.mask_rate for one in results], [one.accuracy for one in results]
        )
        figure = line_chart(
            f"τ = {threshold:.2f} at every evaluation",
            "share",
            series,
            marks=[Mark(step, "shown")],
            percent=True,
            x_max=max(run.status.steps, 1),
        )
        live_figure(figure, key="pseudo_over", revision=run.id)


def class_figures(
    run: EvaluatedRun, pseudo_labels: PseudoLabelSet, result: ThresholdResult, threshold: float, page: str
) -> None:
    """How the pseudo-labels are spread over the classes and, where true labels are known, what they cover of each."""
    left, right = st.columns(2)
    with left:
        figure = class_counts(
            f"Pseudo-labels per class{', dashed: an even share' if result.count else ''}",
            run.class_names,
            result.per_class,
            result.coverage,
            "class coverage",
        )
        if (clicked := _clicked_class(run, figure, "pseudo_classes")) is not None:
            k, name = clicked
            chosen = is_above(pseudo_labels, threshold) & (pseudo_labels.labels == k)
            show_predicted(run, f"Pseudo-labels {name}", pseudo_labels, chosen, page)
    with right:
        if (pseudo_labels.truth >= 0).any():
            figure = class_shares(
                "Class coverage: share of each class above threshold",
                run.class_names,
                result.coverage,
                "of its images are above the threshold",
            )
            if (clicked := _clicked_class(run, figure, "pseudo_coverage")) is not None:
                k, name = clicked
                chosen = is_above(pseudo_labels, threshold) & (pseudo_labels.truth == k)
                show_predicted(run, f"Images of class {name} above the threshold", pseudo_labels, chosen, page)
        else:
            st.caption("Calibration and class coverage can only be shown where true labels are known.")
    rare = underrepresented(result.per_class)
    if len(rare) and result.count:
        names = ", ".join(escape_markdown(run.class_names[k]) for k in rare[:_NAMED])
        more = f" and {len(rare) - _NAMED} more" if len(rare) > _NAMED else ""
        st.warning(
            f"Under-represented at this threshold: {names}{more}. Each has less than a quarter of an even share of the"
            " pseudo-labels; such classes are easily lost altogether.",
            icon=":material/balance:",
        )


def _clicked_class(run: EvaluatedRun, figure: dict[str, Any], key: str) -> tuple[int, str] | None:
    """Draws a figure with a bar for each class; the class whose bar was clicked, and its name for markdown, once."""
    bar = live_figure(figure, key=key, revision=run.id, clickable=True)
    if bar is None or not bar["customdata"]:
        return None
    return int(bar["customdata"][0]), escape_markdown(bar["customdata"][1])


def reliability(run: EvaluatedRun, pseudo_labels: PseudoLabelSet, page: str) -> None:
    """Nothing where no true label is known."""
    known = pseudo_labels.truth >= 0
    if not known.any():
        return
    bins = calibration_of(pseudo_labels.confidence[known], pseudo_labels.correct[known])
    figure = reliability_diagram([("unlabeled images", bins, error_of(bins), colors.RIGHT)], RELIABILITY)
    bar = live_figure(figure, key="pseudo_reliability", revision=run.id, clickable=True)
    if bar is not None and bar["customdata"]:
        title, counted = of_reliability(pseudo_labels, bar["customdata"])
        show_predicted(run, title, pseudo_labels, counted, page)


def _rate_and_accuracy(x: npt.ArrayLike, rates: npt.ArrayLike, accuracies: npt.ArrayLike) -> list[Series]:
    return [Series(_RATE, x, rates, colors.PURPLE, "dot"), Series(_ACCURACY, x, accuracies, colors.GREEN)]
