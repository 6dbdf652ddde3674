"""ROC curves, and the reliability diagram before and after temperature scaling."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import streamlit as st

from engine.analysis.evaluated_run import EvaluatedRun, Predictions
from engine.analysis.metrics import calibration, error_of
from engine.analysis.roc import roc_curves
from engine.analysis.temperature import fit_temperature, scaled
from ui.components.live_figure import live_figure
from ui.figures.curves import Series, line_chart
from ui.figures.frame import shorten_unique
from ui.figures.pseudo_labels import RELIABILITY, reliability_diagram
from ui.runs.counted_images import of_reliability, show_predicted
from ui.shell.page import escape_markdown
from ui.style import colors, formatting

_CURVES = 5  # ROC curves that are drawn unless others are chosen


def roc_view(run: EvaluatedRun, predictions: Predictions) -> None:
    all_curves = roc_curves(predictions.probabilities, predictions.true_labels)
    curves = {k: curve for k, curve in enumerate(all_curves) if curve is not None}
    if not curves:
        st.caption("No ROC curve: it needs images of at least two classes.")
        return
    chosen = st.multiselect(
        "Classes",
        list(curves),
        sorted(curves, key=lambda k: curves[k].area)[:_CURVES],
        format_func=lambda k: run.class_names[k],
        key=f"errors_roc_{run.id}",
        help="Initially the five classes with the smallest area.",
    )
    names = shorten_unique(run.class_names, 16)
    series = [
        Series(
            f"{names[k]}: {curves[k].area:.3f}",
            curves[k].false_positives,
            curves[k].true_positives,
            colors.class_color(k),
            colors.DASHES[number % len(colors.DASHES)],
        )
        for number, k in enumerate(chosen)
    ]
    mean = np.mean([curve.area for curve in curves.values()])
    figure = line_chart(
        f"ROC curves (one-vs-rest), macro AUC {mean:.3f}",
        "true positive rate",
        series,
        percent=True,
        x_max=1,
        x_title="false positive rate",
        x_format=".1%",
        markers=False,
    )
    live_figure(figure, key="errors_roc", revision=run.id)
    absent = [name for k, name in enumerate(run.class_names) if k not in curves]
    if absent:
        st.caption(f"Left out, without {predictions.part} images: {escape_markdown(', '.join(absent))}.")


def reliability_view(run: EvaluatedRun, predictions: Predictions, page: str) -> None:
    bins = calibration(predictions.probabilities.astype(np.float64), predictions.true_labels)
    tables = [("uncalibrated", bins, error_of(bins), colors.RIGHT)]
    temperature, origin = None, ""
    if predictions.part != "validation":  # what it was fitted to would flatter it
        temperature, origin = temperature_for(run, predictions.step)
    if temperature is not None:
        cooler = calibration(scaled(predictions.probabilities, temperature), predictions.true_labels)
        tables.append((f"scaled, T = {temperature:.2f}", cooler, error_of(cooler), colors.WRONG))
    figure = reliability_diagram(tables, RELIABILITY)
    bar = live_figure(figure, key="errors_reliability", revision=run.id, clickable=True)
    if bar is not None and bar["customdata"]:
        predicted = predictions.as_pseudo_labels()
        number = bar["customdata"][-1]
        if number:  # the points of the scaled probabilities
            assert temperature is not None
            confidence = scaled(predictions.probabilities, temperature).max(1)
            predicted = replace(predicted, confidence=confidence)
        title, counted = of_reliability(predicted, bar["customdata"])
        show_predicted(run, f"{title}, {tables[number][0]}", predicted, counted, page)
    if temperature is not None:
        words = "overconfident" if temperature > 1 else "underconfident"
        st.caption(
            f"T was fitted to {origin}; this model is {words} (T {'>' if temperature > 1 else '<'} 1). Scaling does not"
            " change predictions."
        )


def temperature_for(run: EvaluatedRun, step: int) -> tuple[float | None, str]:
    """The temperature that is stored with the model, or for an earlier evaluation one fitted here; None without
    validation images. And what it was fitted to.
    """
    # A resumed run has not written a new model yet.
    is_final = step == run.steps[-1] and run.status.state in ("finished", "stopped")
    stored = run.folder.temperature() if is_final else None
    if stored is not None:
        return stored, "all validation images, and is stored with the model"
    held = run.predictions(step, "validation").with_known_label()
    if not len(held):
        return None, ""
    return (
        fit_temperature(held.probabilities, held.true_labels),
        f"the {formatting.count(len(held))} validation images of this evaluation",
    )
