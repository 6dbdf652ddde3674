"""ROC curves and the reliability diagram, before and after temperature scaling."""

from __future__ import annotations

import numpy as np
import streamlit as st

from engine.analysis.metrics import calibration, error_of
from engine.analysis.roc import roc_curves
from engine.analysis.temperature import fit_temperature, scaled
from ui.components.live_figure import live_figure
from ui.errors.image_browser import Floats, Ids, known
from ui.figures.curves import Series, line_chart
from ui.figures.frame import shorten_unique
from ui.figures.pseudo_labels import reliability_diagram
from ui.runs.run_bar import Inside
from ui.style import colors, formatting

_KEY = "errors"
_CURVES = 5  # ROC curves that are drawn unless others are chosen


def rocs(inside: Inside, probabilities: Floats, truth: Ids) -> None:
    curves = roc_curves(probabilities, truth)
    there = [k for k, curve in enumerate(curves) if curve is not None]
    worst = sorted(there, key=lambda k: curves[k].area)[:_CURVES]  # type: ignore[union-attr]  # those in `there` have one
    picked = st.multiselect(
        "Classes",
        there,
        worst,
        format_func=lambda k: inside.class_names[k],
        key=f"{_KEY}_roc_{inside.run.id}",
        help="At first the five with the smallest area.",
    )
    series, names = [], shorten_unique(inside.class_names, 16)
    for number, k in enumerate(picked):
        curve = curves[k]
        assert curve is not None
        name = f"{names[k]}: {curve.area:.3f}"
        series.append(
            Series(
                name,
                curve.false_positives,
                curve.true_positives,
                colors.class_color(k),
                ("solid", "dash", "dot", "dashdot")[number % 4],
            )
        )
    mean = np.mean([curve.area for curve in curves if curve is not None]) if there else float("nan")
    title = f"ROC, one class against the rest: mean area {mean:.3f}"
    figure = line_chart(
        title,
        "found of the class",
        series,
        percent=True,
        x_max=1,
        x_title="taken for it of all others",
        x_format=".1%",
        markers=False,
    )
    live_figure(figure, key=f"{_KEY}_roc", revision=inside.run.id)


def reliability(inside: Inside, step: int, part: str, probabilities: Floats, truth: Ids) -> None:
    bins = calibration(probabilities.astype(np.float64), truth)
    tables = [("as it is", bins, error_of(bins), colors.RIGHT)]
    temperature, origin = None, ""
    if part != "validation":  # what it was fitted to would flatter it
        temperature, origin = cooling(inside, step)
    if temperature is not None:
        cooler = calibration(scaled(probabilities, temperature), truth)
        tables.append((f"at temperature {temperature:.2f}", cooler, error_of(cooler), colors.WRONG))
    live_figure(
        reliability_diagram(tables, "As sure as it is right? Bars below the line promise too much"),
        key=f"{_KEY}_reliability",
        revision=inside.run.id,
    )
    if temperature is not None:
        words = "too sure" if temperature > 1 else "not sure enough"
        st.caption(
            f"The temperature was fitted to {origin}: above 1 a model is too sure. This one is {words}. No answer"
            " changes by it."
        )


def cooling(inside: Inside, step: int) -> tuple[float | None, str]:
    """The temperature that is stored with the model, or of an earlier evaluation one fitted here; None without
    validation images. And what it was fitted to.
    """
    last = step == inside.steps[-1] and inside.run.status.state in (
        "finished",
        "stopped",
    )  # a resumed run has written no new model yet
    stored = inside.run.folder.model_about().get("temperature") if last else None
    if isinstance(stored, float):
        return stored, "all validation images, and is stored with the model"
    _, held, truth = known(inside, step, "validation")
    return (
        (fit_temperature(held, truth), f"the {formatting.count(len(truth))} validation images of this evaluation")
        if len(truth)
        else (None, "")
    )
