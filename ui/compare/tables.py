"""Tables of the chosen runs: settings that differ, final metrics, means over seeds."""

from __future__ import annotations

import statistics
from typing import Any

import streamlit as st

from engine.metrics import Metric
from engine.runs.store import Run
from ui.compare.run_colors import run_strokes, swatch
from ui.compare.run_groups import grouped, legend_names, settings, short_names
from ui.runs.metrics import declared_metrics
from ui.runs.settings_table import settings_table
from ui.shell.page import escape_markdown
from ui.style import formatting

_ACCURACY = "test/accuracy"
_COLOR = "color"


def final_metrics(runs: list[Run]) -> None:
    """One row a run. Shares stay numbers, so that a click on their heading sorts them. The accuracy comes before the
    name, which is as wide as a phone.
    """
    metrics = _final_metrics(runs)
    columns: dict[str, Any] = {
        metric.title: st.column_config.NumberColumn(
            metric.title,
            format=formatting.PERCENT_COLUMN if metric.unit == "share" else "%.3f",
            help=metric.help or None,
        )
        for metric in metrics
    }
    names, strokes = legend_names(runs), run_strokes(runs)
    columns[_COLOR] = st.column_config.ImageColumn(_COLOR, width=52, help="The run's color in the curves.")
    accuracy = declared_metrics()[_ACCURACY].title
    rows: list[dict[str, Any]] = []
    for run in runs:
        cells = {metric.title: _cell(metric, run.status.metrics.get(metric.name)) for metric in metrics}
        rows.append(
            {
                _COLOR: swatch(strokes[run.id].color),
                accuracy: cells.pop(accuracy),
                "run": names[run.id],
                **cells,
                "state": run.status.state,
                "training time": formatting.duration(run.status.seconds),
            }
        )
    st.dataframe(rows, hide_index=True, width="stretch", column_config=columns, placeholder=formatting.NOTHING)


def _final_metrics(runs: list[Run]) -> list[Metric]:
    """Those declared as final, and the probes that one of the runs has: of the test set, and no curve."""
    return [
        metric
        for name, metric in declared_metrics().items()
        if metric.final
        or (name.startswith("test/") and metric.chart is None and any(name in run.status.metrics for run in runs))
    ]


def _cell(metric: Metric, value: float | None) -> float | None:
    return value * 100 if value is not None and metric.unit == "share" else value


def means_over_seeds(runs: list[Run]) -> None:
    """Mean and range of finished runs that differ only in their seed: one run alone says little."""
    groups = grouped([run for run in runs if run.status.state == "finished" and _ACCURACY in run.status.metrics])
    names = short_names([group[0] for group in groups])
    for name, group in zip(names, groups, strict=True):
        accuracies = [run.status.metrics[_ACCURACY] for run in group]
        if len(group) > 1:
            st.markdown(
                f"**{escape_markdown(name)}**: mean test accuracy {formatting.percent(statistics.mean(accuracies))}"
                f" over {len(group)} seeds, range {formatting.percent(min(accuracies))} to"
                f" {formatting.percent(max(accuracies))}, standard deviation"
                f" {statistics.stdev(accuracies) * 100:.1f} points."
            )


def differing_settings(runs: list[Run]) -> None:
    """Nothing of one run alone."""
    if len(runs) == 1:
        return
    st.subheader("Settings that differ", anchor=False)
    names = legend_names(runs)
    table = settings_table([settings(run) for run in runs], [names[run.id] for run in runs])
    if not table:
        st.caption("These runs have the same settings.")
        return
    st.dataframe(table, hide_index=True, width="stretch")
