"""Accuracy of the chosen runs against their settings: labels per class, and all that differ."""

from __future__ import annotations

import streamlit as st

from engine.analysis.compare import budget_curve, differing, without_budget
from engine.runs.store import Run
from ui.components.live_figure import live_figure
from ui.figures.compare import label_budget_curves, parallel_coordinates
from ui.runs.distinct_names import distinct_names, setting_titles, value_text
from ui.runs.repeated_runs import settings
from ui.runs.run_names import method_title
from ui.runs.settings_table import setting_order

_AXES = 8  # settings that parallel coordinates show side by side
_ACCURACY = "test/accuracy"
_DRAW = ("seed", "data.split_seed", "data.labels.per_class")


def label_budgets(runs: list[Run]) -> None:
    """Accuracy against labels per class, once there are two numbers of them to draw a line between."""
    groups: dict[str, list[Run]] = {}
    for run in _with_accuracy(runs):
        if "per_class" in (run.config["data"].get("labels") or {}):
            groups.setdefault(without_budget(settings(run)), []).append(run)
    firsts = [group[0] for group in groups.values()]
    names = distinct_names([method_title(run.config) for run in firsts], [settings(run) for run in firsts], alike=_DRAW)
    points = [
        budget_curve([(run.config["data"]["labels"]["per_class"], run.status.metrics[_ACCURACY]) for run in group])
        for group in groups.values()
    ]
    if any(len(curve) > 1 for curve in points):
        figure = label_budget_curves("Accuracy by labels per class", list(zip(names, points, strict=True)))
        live_figure(figure, key="compare_budgets", revision="budgets", height=360)


def many_settings(runs: list[Run]) -> None:
    """Parallel coordinates over the settings in which at least three finished runs differ."""
    ended = _with_accuracy(runs)
    if len(ended) < 3:
        return
    rows = {
        key: values
        for key, values in differing([run.config for run in ended]).items()
        if not any(isinstance(value, (list, dict)) for value in values)
    }
    if not rows:
        return
    figure = parallel_coordinates(
        "Settings and accuracy (one line per run)",
        [(key, rows[key]) for key in sorted(rows, key=setting_order)[:_AXES]],
        [run.status.metrics[_ACCURACY] for run in ended],
        titles=setting_titles(rows, [run.config for run in ended]),
        say=value_text,
    )
    revision = "parallel " + ",".join(run.id for run in ended)
    live_figure(figure, key="compare_parallel", revision=revision, height=380)
    if len(rows) > _AXES:
        st.caption(f"The first {_AXES} of {len(rows)} settings that differ.")


def _with_accuracy(runs: list[Run]) -> list[Run]:
    return [run for run in runs if run.status.state == "finished" and _ACCURACY in run.status.metrics]
