"""Runs as one dense table: chosen by their boxes, sorted by a click on a heading, opened by a button in their row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import streamlit as st

from engine.runs.store import Run
from ui.runs.current_run import compared_runs, open_page
from ui.runs.distinct_names import what_differs
from ui.runs.run_colors import run_strokes, swatch
from ui.runs.run_names import answers_by_probe, automatic_name, data_title, labels, method_title, run_name
from ui.shell.server import lab
from ui.style import formatting

_ROW, _MOST_ROWS_IN_SIGHT = 36, 14  # pixels; what is below is scrolled to
_POINTS = 24  # of a curve the size of a word
_COLUMNS = (
    *("open", "color", "run", "method", "accuracy", "differs", "tags", "note", "given", "curve"),
    *("data", "state", "time", "when", "disk", "reason"),
)
_SELDOM = ("color", "method", "tags", "note")  # columns that are there only where a run has something to say in them


def run_table(runs: Sequence[Run], key: str, among: Sequence[Run]) -> list[Run]:
    """The chosen ones of these runs, in the order of the table. among: all runs, newest first."""
    # A choice is kept by the number of its row: other rows are another table, which begins without one.
    of_these = f"{key}_{hash(tuple(run.id for run in runs))}"
    opened = f"{of_these}_open"

    def open_clicked() -> None:
        st.session_state[f"{key}_opening"] = runs[st.session_state[opened]["row"]].id

    rows = _rows(runs, _compared(runs, st.session_state.get(of_these), among))
    table = st.dataframe(
        rows,
        hide_index=True,
        width="stretch",
        height=(min(len(runs), _MOST_ROWS_IN_SIGHT) + 1) * _ROW + 3,
        row_height=_ROW,
        placeholder=formatting.NOTHING,
        on_select="rerun",
        selection_mode="multi-row",
        key=of_these,
        alt="Runs, one a row",
        column_order=[name for name in _COLUMNS if name not in _SELDOM or any(row[name] for row in rows)],
        column_config={
            "open": st.column_config.ButtonColumn("", type="tertiary", on_click=open_clicked, key=opened, width=52),
            "color": st.column_config.ImageColumn(
                "", width=30, help="Its color on Compare: of the runs chosen here, else of those compared there."
            ),
            "run": st.column_config.TextColumn("Run", width=110),
            "method": st.column_config.TextColumn("Method", width=105, help="Of runs with a name of their own."),
            "accuracy": st.column_config.NumberColumn(
                "Accuracy",
                format=formatting.PERCENT_COLUMN,
                width=92,
                help="Of the test images.",
            ),
            "differs": st.column_config.TextColumn(
                "Differs in", width=92, help="The settings in which runs of one name differ."
            ),
            "tags": st.column_config.ListColumn("Tags", width=120),
            "note": st.column_config.TextColumn("Note", width=180),
            "given": st.column_config.TextColumn("From", width=135, help="What the accuracy was reached with."),
            "curve": st.column_config.LineChartColumn(
                "Curve", y_min=0.0, y_max=1.0, width=75, help="Test accuracy at the evaluations, from 0 to 100 %."
            ),
            "data": st.column_config.TextColumn("Images", width=120),
            "state": st.column_config.TextColumn("State", width=78),
            "time": st.column_config.TextColumn("Duration", width=72),
            "when": st.column_config.DatetimeColumn("When", format="D MMM, HH:mm", width=100),
            "disk": st.column_config.NumberColumn("Disk", format="%.1f MB", width=64),
            "reason": st.column_config.TextColumn("Why it ended", width=300),
        },
    )
    if (wanted := st.session_state.pop(f"{key}_opening", None)) is not None:
        open_page("pages/train.py", wanted)
    return [runs[row] for row in sorted(table.selection.rows) if row < len(runs)]


def _compared(runs: Sequence[Run], table: Any, among: Sequence[Run]) -> list[Run]:
    """The runs whose colors are shown. table: the state of the table, as it was left."""
    chosen = [runs[row] for row in sorted(table["selection"]["rows"]) if row < len(runs)] if table else []
    by_id = {run.id: run for run in among}
    return chosen or [by_id[run_id] for run_id in compared_runs(by_id)]


def _rows(runs: Sequence[Run], compared: list[Run]) -> list[dict[str, Any]]:
    differs = what_differs([run.name or automatic_name(run.config) for run in runs], [run.config for run in runs])
    strokes = run_strokes(compared)
    return [
        {
            "id": run.id,
            "open": "Open",
            "color": swatch(strokes[run.id].color) if run.id in strokes else "",
            "run": run.name or method_title(run.config),
            "method": method_title(run.config) if run.name else None,
            "accuracy": _percent(run.status.metrics.get("test/accuracy")),
            "differs": more,
            "tags": list(run.notes.tags),
            "note": run.notes.note or None,
            "given": "probe, all labels" if answers_by_probe(run) else labels(run.config["data"].get("labels") or {}),
            "curve": accuracy_curve(run.id, run.status.state, run.status.step),
            "data": data_title(run.config),
            "state": run.status.state,
            "time": formatting.duration(run.status.seconds),
            "when": run.created,
            "reason": run.status.reason or None,
            "disk": disk_used(run.id, run.status.state) / 1e6,
        }
        for run, more in zip(runs, differs, strict=True)
    ]


def searched_text(run: Run) -> str:
    """In which the words of a search are looked for, in small letters."""
    return f"{run_name(run)} {run.id} {' '.join(run.notes.tags)} {run.notes.note}".lower()


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


@st.cache_data(max_entries=2_000, show_spinner=False)
def accuracy_curve(run_id: str, state: str, step: int) -> list[float]:  # read again when one of them changes
    """Test accuracy at some of the evaluations, those of equal distance."""
    values = [row["test/accuracy"] for row in lab().store.open(run_id).metrics() if "test/accuracy" in row]
    kept = np.unique(np.linspace(0, len(values) - 1, min(len(values), _POINTS)).round().astype(int))
    return [values[i] for i in kept]


@st.cache_data(ttl=60, max_entries=2_000, show_spinner=False)
def disk_used(run_id: str, state: str) -> int:  # a run that has ended is another size
    """Bytes of a run."""
    return lab().store.open(run_id).size_on_disk()
