"""Tables of the chosen runs: settings that differ, final metrics, means over seeds."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

import streamlit as st

from engine.metrics import Metric
from engine.runs.store import Run
from ui.compare.run_groups import legend_names, short_names
from ui.figures.frame import unique_names
from ui.runs.metrics import declared_metrics
from ui.runs.repeated_runs import grouped, settings
from ui.runs.run_bar import page_links
from ui.runs.run_colors import run_strokes, swatch
from ui.runs.run_names import answers_by_probe, labels
from ui.runs.settings_table import setting_columns
from ui.shell.page import escape_markdown
from ui.style import formatting

_ACCURACY = "test/accuracy"
_PAGES = ("pages/train.py", "pages/errors.py", "pages/space.py", "pages/predict.py")
_COLOR = "color"
_LETTER, _PADDING, _WIDEST = 6, 26, 400  # pixels of a column: a letter, what is beside the text, and at most


def final_metrics(runs: list[Run]) -> None:
    """One row a run; a chosen one opens the run. Shares stay numbers, so that a click on their heading sorts them. The
    accuracy comes before the name, which is as wide as a phone.
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
    columns[_COLOR] = _color_column()
    columns["from"] = st.column_config.TextColumn("from", help="What the accuracy was reached with.")
    columns["steps"] = st.column_config.NumberColumn("steps", format="localized", help="Taken so far.")
    columns["training time"] = st.column_config.TextColumn("time", help="Training time, pauses left out.")
    accuracy = declared_metrics()[_ACCURACY].title
    rows: list[dict[str, Any]] = []
    for run in runs:
        cells = {metric.title: _cell(metric, run.status.metrics.get(metric.name)) for metric in metrics}
        rows.append(
            {
                _COLOR: swatch(strokes[run.id].color),
                accuracy: cells.pop(accuracy),
                "run": names[run.id],
                "from": "probe, all labels"
                if answers_by_probe(run)
                else labels(run.config["data"].get("labels") or {}),
                "steps": run.status.step,
                **cells,
                "state": run.status.state,
                "training time": formatting.duration(run.status.seconds),
            }
        )
    table = st.dataframe(
        rows,
        hide_index=True,
        width="stretch",
        column_config=columns,
        placeholder=formatting.NOTHING,
        on_select="rerun",
        selection_mode="single-row",
        key=f"compare_metrics_{hash(tuple(names))}",  # a choice is kept by the number of its row
        alt="Final metrics, one run a row",
    )
    for run in (runs[row] for row in table.selection.rows if row < len(runs)):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f"Open **{escape_markdown(names[run.id])}**:", width="content")
            page_links(run, _PAGES, key="compare_open")


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
    """One row a run, one column a setting. Nothing of one run alone."""
    if len(runs) == 1:
        return
    st.subheader("Settings that differ", anchor=False)
    settings_of = setting_columns([settings(run) for run in runs])
    if not settings_of:
        st.caption("These runs have the same settings.")
        return
    st.caption("Pointed at, a heading says what the setting is called in the config.")
    names, strokes = legend_names(runs), run_strokes(runs)
    _, _, *titles = unique_names([_COLOR, "run", *(column.title for column in settings_of)])
    rows = [
        {
            _COLOR: swatch(strokes[run.id].color),
            "run": names[run.id],
            **{title: column.values[number] for title, column in zip(titles, settings_of, strict=True)},
        }
        for number, run in enumerate(runs)
    ]
    columns: dict[str, Any] = {
        _COLOR: _color_column(),
        "run": st.column_config.TextColumn("run", width=_width(["run", *names.values()])),
    }
    for title, column in zip(titles, settings_of, strict=True):
        columns[title] = st.column_config.TextColumn(
            title, width=_width([title, *column.values]), help=f"In the config: `{column.key}`"
        )
    st.dataframe(
        rows, hide_index=True, width="content", column_config=columns, alt="Settings that differ, one run a row"
    )


def _color_column() -> Any:
    """Stays in sight while a wide table is scrolled; the name would be grey, and leave no room on a phone."""
    return st.column_config.ImageColumn(_COLOR, width=52, pinned=True, help="The run's color in the curves.")


def _width(texts: Sequence[str]) -> int:
    """Pixels of a column in which the longest of these is not cut off, as far as one is not a paragraph."""
    return min(_WIDEST, _PADDING + _LETTER * max(map(len, texts)))
