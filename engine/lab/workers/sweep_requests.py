"""Requests about a sweep: whether it can be judged and trained."""

from __future__ import annotations

from pathlib import Path

from engine.errors import ConfigError
from engine.lab.messages import CheckSweep, IsReady
from engine.lab.workers.data_requests import is_ready
from engine.tuning.sweep_check import check_sweep
from engine.tuning.sweep_plan import SweepPlan


def check_planned(request: CheckSweep) -> None:
    """Raises ConfigError."""
    plan = SweepPlan.of_plain(request.plan)
    # Reading them can take minutes, and this answer is waited for.
    if not is_ready(IsReady(plan.config["data"])).ready:
        raise ConfigError("These images have not been read on this machine yet: read them on the Data or Train page.")
    check_sweep(plan, Path(request.checkpoints))
