"""Whether a sweep can be judged at all, and all of its settings be trained; asked before anything is written.

The torch side of this room: only the command line and workers import it.
"""

from __future__ import annotations

from pathlib import Path

from engine.config.run_config import RunConfig
from engine.training.assemble import assemble, check, check_measured
from engine.tuning.sweep_plan import SweepPlan


def check_sweep(plan: SweepPlan, checkpoints: Path) -> None:
    """Raises ConfigError or DataError with one sentence."""
    plan.check()
    config = RunConfig.parse(plan.run_config("", {}, plan.draws()[0]))
    check(config, checkpoints)
    check_measured(config, assemble(config, checkpoints), "A sweep")
    for dimension in plan.dimensions:
        for value in dimension.corners():
            config.with_changes({dimension.key: value})
