"""Which runs are a sweep's: forty trials would hide all others."""

from __future__ import annotations

from engine.errors import RunError
from engine.runs.store import Run
from engine.tuning.sweep_folder import SweepFolder, SweepStatus


def readable(sweeps: list[SweepFolder]) -> list[tuple[SweepFolder, SweepStatus]]:
    """Sweeps with what they stand at; Tune says of any other what is wrong with it."""
    found = []
    for sweep in sweeps:
        try:
            found.append((sweep, sweep.status()))
        except RunError:
            continue
    return found


def without_sweeps(runs: list[Run], sweeps: list[SweepFolder]) -> list[Run]:
    """Those that belong to no sweep."""
    grouped = {run_id for _, status in readable(sweeps) for run_id in status.run_ids()}
    return [run for run in runs if run.id not in grouped]
