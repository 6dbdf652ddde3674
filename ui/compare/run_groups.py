"""Runs side by side: a name of its own for each, groups over seeds, their journals, their final metrics as CSV."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from engine.analysis.compare import differing, short_keys, without_seeds
from engine.csv_text import csv_text
from engine.runs.store import Run
from ui.runs.run_names import run_name
from ui.style import formatting

_SAID = 2  # differing settings that a name is given to tell it from another


def disambiguate(
    names: Sequence[str], of: Sequence[Run], alike: Sequence[str] = ("seed", "data.split_seed")
) -> list[str]:
    """Unique names: to equal ones is added in which settings their runs differ, but for those in `alike`, or a
    number where in none.
    """
    unique = list(names)
    for name in {name for name in names if list(names).count(name) > 1}:
        alike_at = [i for i, other in enumerate(names) if other == name]
        rows = {
            key: values for key, values in differing([settings(of[i]) for i in alike_at]).items() if key not in alike
        }
        for number, i in enumerate(alike_at):
            said = [
                f"{word} {as_text(values[number])}"
                for word, values in zip(short_keys(list(rows)), rows.values(), strict=True)
            ][:_SAID]
            unique[i] = ", ".join([name, *said])
    return [
        name if unique.count(name) == 1 else f"{name} ({unique[: i + 1].count(name)})" for i, name in enumerate(unique)
    ]


def legend_names(chosen: list[Run]) -> dict[str, str]:
    """By run id, a name of its own: the same on every chart and table of this page."""
    names = disambiguate([f"{run_name(run)} · seed {run.config['seed']}" for run in chosen], chosen)
    return dict(zip([run.id for run in chosen], names, strict=True))


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


def grouped(chosen: list[Run]) -> list[list[Run]]:
    """Runs that differ in their seed alone stand together. A repeated seed counts once."""
    groups: dict[str, dict[tuple[int, int], Run]] = {}
    for run in chosen:
        groups.setdefault(without_seeds(settings(run)), {})[
            run.config["seed"], run.config["data"].get("split_seed")
        ] = run
    return [list(by_seed.values()) for by_seed in groups.values()]


def settings(run: Run) -> dict[str, Any]:
    """The run's config, and what was changed while it trained: such a run is no repetition of one that was left
    alone.
    """
    changes = [f"{change.key} = {change.value} at step {change.step}" for change in run.folder.changes()]
    return {**run.config, **({"changed while it trained": changes} if changes else {})}


def as_text(value: Any) -> str:
    return (
        formatting.NOTHING if value is None else ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    )


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
