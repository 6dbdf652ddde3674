"""Runs side by side: a name of its own for each, groups over seeds, their journals, their final metrics as CSV."""

from __future__ import annotations

from typing import Any

import streamlit as st

from engine.csv_text import csv_text
from engine.runs.store import Run
from ui.runs.distinct_names import what_differs
from ui.runs.repeated_runs import settings
from ui.runs.run_names import data_title, labels, method_title, run_name


def legend_names(chosen: list[Run]) -> dict[str, str]:
    """By run id, a name of its own: the same on every chart and table of this page."""
    seeds = [f"seed {run.config['seed']}" for run in chosen]
    names = short_names(chosen, seeds if len(set(seeds)) > 1 else [""] * len(chosen))
    return dict(zip([run.id for run in chosen], names, strict=True))


def short_names(runs: list[Run], more: list[str] | None = None) -> list[str]:
    """What tells these runs apart, and no more, so that a legend stays short: "FixMatch" and "Supervised", or "τ 0.6"
    and "τ 0.9". more: what else is said of each.
    """
    about = [
        (run.name or method_title(run.config), data_title(run.config), labels(run.config["data"].get("labels") or {}))
        for run in runs
    ]
    varying = [column for column in zip(*about, strict=True) if len(set(column)) > 1]
    bases = [", ".join(parts) for parts in zip(*varying, strict=True)] if varying else [""] * len(runs)
    differs = what_differs(bases, [settings(run) for run in runs], alike=("seed", "data.split_seed"))
    said = [
        ", ".join(filter(None, parts)) or run_name(run)
        for run, *parts in zip(runs, bases, differs, more or [""] * len(runs), strict=True)
    ]
    return [name if said.count(name) == 1 else f"{name} ({said[: i + 1].count(name)})" for i, name in enumerate(said)]


@st.cache_resource(max_entries=128, show_spinner=False)
def _metrics(run_id: str, written: tuple[int, int], _run: Run) -> list[dict[str, Any]]:
    return _run.folder.metrics()


def journal(run: Run) -> list[dict[str, Any]]:
    """The run's journal, read again only when it has grown: in a benchmark most runs have ended or not begun."""
    try:
        state = run.folder.metrics_file.stat()
    except OSError:
        return []
    return _metrics(run.id, (state.st_size, state.st_mtime_ns), run)


def as_csv(chosen: list[Run]) -> str:
    names = sorted({name for run in chosen for name in run.status.metrics})
    rows = [
        [
            run.id,
            run_name(run),
            run.config["seed"],
            run.status.state,
            run.status.seconds,
            *(run.status.metrics.get(name, "") for name in names),
        ]
        for run in chosen
    ]
    return csv_text([["run", "name", "seed", "state", "seconds", *names], *rows])
