"""Curves of the chosen runs over their steps, one for each run or averaged over seeds."""

from __future__ import annotations

from typing import Any

import streamlit as st

from engine.analysis.compare import over_seeds
from engine.metrics import Metric, declaration_of
from engine.runs.store import Run
from ui.compare.run_groups import journal, legend_names, short_names
from ui.components.live_figure import live_figure
from ui.figures.compare import SeedBand, seed_bands
from ui.figures.curves import Series, line_chart
from ui.figures.frame import Figure
from ui.runs.metrics import declared_metrics, logged_metrics
from ui.runs.repeated_runs import grouped
from ui.runs.run_colors import Stroke, run_strokes, shade
from ui.shell.page import escape_markdown

_BUTTONS, _LIST = 7, 320  # curves that have a button each, in one row; the width of a list of more, in pixels
_AWAITED = "test/accuracy"  # the curve that is offered before there is one
Curves = dict[str, dict[int, float]]


def draw_curves(runs: list[Run]) -> None:
    journals = {run.id: journal(run) for run in runs}
    metric = _pick_metric([row for rows in journals.values() for row in rows])
    curves: Curves = {
        run_id: {row["step"]: row[metric.name] for row in rows if row.get(metric.name) is not None}
        for run_id, rows in journals.items()
    }
    drawn, names = [run for run in runs if curves[run.id]], legend_names(runs)
    groups = grouped(drawn)
    averaged = len(groups) < len(drawn) and st.toggle(
        "Average over seeds",
        True,
        key="compare_seeds",
        help=(
            "One curve for runs that differ in their seed alone: their mean, and the range between the lowest and the"
            " highest."
        ),
    )
    figure = _average_figure(metric, groups, drawn, curves, run_strokes(runs)) if averaged else None
    if figure is None:
        figure = _figure(metric, runs, curves, names)
    revision = f"{metric.name} {averaged} " + ",".join(run.id for run in runs)
    live_figure(figure, key="compare_curves", revision=revision, height=420)
    missing = [names[run.id] for run in runs if not curves[run.id] and not run.status.active]
    if missing:
        st.caption("Not logged by: " + ", ".join(escape_markdown(name) for name in missing))


def _pick_metric(rows: list[dict[str, Any]]) -> Metric:
    offered = {metric.name: metric for metric in logged_metrics(rows) if metric.compare}
    if not any(name.startswith("test/") for name in offered):
        offered = {_AWAITED: declaration_of(_AWAITED, declared_metrics())} | offered
    names, is_many = list(offered), len(offered) > _BUTTONS
    key, other = ("compare_curve_of_many", "compare_curve") if is_many else ("compare_curve", "compare_curve_of_many")
    if st.session_state.get(key, "") not in (*names, None):
        # One more logged curve may have just turned the buttons into a list.
        chosen = st.session_state.get(other)
        st.session_state[key] = chosen if chosen in names else names[0]
    if is_many:
        name: str | None = st.selectbox(
            "Curve", names, format_func=lambda name: offered[name].title, key=key, width=_LIST
        )
    else:
        name = st.segmented_control("Curve", names, format_func=lambda name: offered[name].title, key=key)
    return offered[name or names[0]]


def _figure(metric: Metric, runs: list[Run], curves: Curves, names: dict[str, str]) -> Figure:
    strokes = run_strokes(runs)
    series = [
        Series(names[run.id], list(curves[run.id]), list(curves[run.id].values()), *strokes[run.id])
        for run in runs
        if curves[run.id]
    ]
    return line_chart(
        metric.heading, _y_title(metric), series, percent=metric.unit == "share", zoom=_is_accuracy(metric)
    )


def _average_figure(
    metric: Metric, groups: list[list[Run]], drawn: list[Run], curves: Curves, strokes: dict[str, Stroke]
) -> Figure | None:
    """The bands of those groups whose runs have steps in common; None where no group has any."""
    # A run that is still on its way would cut its whole group's band off where it is now.
    ended = [[run for run in group if not run.status.active] or group for group in groups]
    titles = short_names([group[0] for group in ended])
    painted = [strokes[group[0].id].color for group in ended]
    bands = [
        SeedBand(title, over_seeds([curves[run.id] for run in group]), color, shade(color))
        for title, group, color in zip(titles, ended, painted, strict=True)
    ]
    apart = [one.name for one in bands if not one.band.steps]
    if apart:
        hint = "" if len(apart) == len(bands) else " Switch the average off to see their curves."
        st.caption(
            f"No band of {', '.join(escape_markdown(title) for title in apart)}: its runs were evaluated at different"
            f" steps.{hint}"
        )
    if len(apart) == len(bands):
        return None
    in_bands = sum(run.status.active for group in ended for run in group)
    unfinished = sum(run.status.active for run in drawn) - in_bands
    if unfinished:
        runs = "run is" if unfinished == 1 else "runs are"
        st.caption(f"{unfinished} unfinished {runs} not in the band yet.")
    return seed_bands(
        metric.heading, bands, percent=metric.unit == "share", y_title=_y_title(metric), zoom=_is_accuracy(metric)
    )


def _is_accuracy(metric: Metric) -> bool:
    return metric.chart == "accuracy"


def _y_title(metric: Metric) -> str:
    return {"share": "share", "nats": "loss (nats)"}.get(metric.unit, metric.label)
