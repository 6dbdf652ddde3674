"""Which runs repeat one another: the same in every setting but their seed."""

from __future__ import annotations

from typing import Any

from engine.analysis.compare import without_seeds
from engine.runs.store import Run
from ui.runs.distinct_names import CHANGED, setting_words, value_text
from ui.style import formatting


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
    changes = [
        f"{setting_words(change.key, run.config)} {value_text(change.value)} from step {formatting.count(change.step)}"
        for change in run.folder.changes()
    ]
    return {**run.config, **({CHANGED: changes} if changes else {})}
