"""A run's metrics over the steps, each in the chart that its declaration names, the ghost's behind."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import streamlit as st

from engine.metrics import Metric
from ui.components.live_figure import live_figure
from ui.figures.curves import Series, line_chart
from ui.figures.frame import room_above
from ui.runs.ghost import ghost_name
from ui.runs.metrics import logged_metrics
from ui.runs.run_journal import RunJournal
from ui.style import colors, formatting
from ui.train.evaluation_view import evaluation_figure, has_evaluation_figure


def metric_curves(journal: RunJournal, ghost: RunJournal | None, key: str) -> None:
    """Loss and accuracy side by side; below, shares and what the newest evaluation shows; then every other metric in a
    figure of its own. A mark stands at every live change.
    """
    metrics = logged_metrics(journal.metrics)
    charts = {chart: [m for m in metrics if m.chart == chart] for chart in ("loss", "accuracy", "share", "value")}
    left, right = st.columns(2)
    with left:
        losses = charts["loss"]
        is_residual = bool(losses) and all(metric.unit == "share" for metric in losses)
        title, y_title = (losses[0].heading, "share") if is_residual else ("Training loss", "loss (nats)")
        # The loss of another method is another quantity: on one axis, the lower curve would look like the better one.
        same = ghost if ghost is not None and _method(ghost) == _method(journal) else None
        _draw(journal, same, losses, f"{key}_loss", title=title, y_title=y_title, height=325)
    with right:
        accuracies = charts["accuracy"]
        # The linear probe at the end is one point and no curve.
        curves = [metric for metric in accuracies if len(journal.column(metric.name)[0]) > 1]
        _draw(
            journal,
            ghost,
            curves or accuracies,
            f"{key}_accuracy",
            title="Accuracy",
            y_title="accuracy",
            height=325,
            is_accuracy=True,
        )
    if unknown := journal.latest("unknown"):
        st.caption(
            f"{formatting.percent(unknown)} of images are not connected to any labeled image and stay unknown."
            " Increase the number of neighbors."
        )
    figures: list[Callable[[], None]] = []
    if charts["share"]:
        figures.append(lambda: _draw(journal, ghost, charts["share"], f"{key}_mask"))
    if has_evaluation_figure(journal.run):
        figures.append(lambda: evaluation_figure(journal.run, key))
    figures += [partial(_draw, journal, ghost, [metric], f"{key}_{metric.name}") for metric in charts["value"]]
    for first in range(0, len(figures), 2):
        for column, draw in zip(st.columns(2), figures[first : first + 2], strict=False):
            with column:
                draw()


def _draw(
    journal: RunJournal,
    ghost: RunJournal | None,
    metrics: list[Metric],
    key: str,
    *,
    title: str | None = None,
    y_title: str | None = None,
    height: int = 325,
    is_accuracy: bool = False,
) -> None:
    """is_accuracy: on an axis of shares that begins where the curves live, also before there is any curve."""
    steps = max(journal.run.status.steps, ghost.run.status.steps if ghost else 0)
    is_share = bool(metrics) and all(metric.unit == "share" for metric in metrics)
    figure = line_chart(
        title or (metrics[0].heading if len(metrics) == 1 else "Shares"),
        y_title or ("share" if is_share else metrics[0].label),
        _series(journal, metrics),
        _series(ghost, metrics) if ghost is not None else [],
        journal.marks,
        percent=is_accuracy or (is_share and metrics[0].chart != "loss"),
        x_max=steps,
        zoom=is_accuracy,
        ghost_name=ghost_name(ghost.run, journal.run) if ghost is not None else "",
    )
    live_figure(figure, key=key, revision=journal.run.id, height=height + room_above(figure))


def _series(journal: RunJournal, metrics: list[Metric]) -> list[Series]:
    strokes = colors.metric_strokes([metric.name for metric in metrics])
    return [
        Series(_legend(metric), *journal.column(metric.name), *strokes[metric.name])
        for metric in metrics
        if journal.latest(metric.name) is not None
    ]


def _method(journal: RunJournal) -> str:
    return str(journal.run.config["method"]["name"])


def _legend(metric: Metric) -> str:
    """Short, so that the legend is one row: what all curves of the chart are stands in its title."""
    return metric.label.removesuffix(" accuracy") if metric.chart == "accuracy" else metric.label
