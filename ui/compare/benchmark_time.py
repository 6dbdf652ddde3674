"""How long the runs of a benchmark will take, from runs that there are."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from engine.runs.store import Run


class Estimate(NamedTuple):
    """seconds: of all runs together. all_known: whether each method has a run to go by."""

    seconds: float
    all_known: bool


def benchmark_time(methods: Sequence[str], base: Run, runs: Iterable[Run]) -> Estimate | None:
    """methods: one for each run that is to be started. A method takes as long as the first of `runs` that it has on the
    same images with the same network and budget, any other as long as `base`. None where neither says anything yet.
    """
    known: dict[str, float] = {}
    work = _work(base)
    for run in (base, *runs):
        seconds = whole_seconds(run)
        if seconds is not None and _work(run) == work:
            known.setdefault(run.config["method"]["name"], seconds)
    usual = whole_seconds(base)
    each = [known.get(method, usual) for method in methods]
    numbers = [seconds for seconds in each if seconds is not None]
    if len(numbers) < len(each):
        return None
    return Estimate(sum(numbers), all(method in known for method in methods))


def whole_seconds(run: Run) -> float | None:
    """What all steps of the run cost, at the speed it has had so far if it has not taken all; None before the first."""
    status = run.status
    if not status.seconds or not status.step:
        return None
    left = status.state != "finished" and status.step < status.steps
    return status.seconds / status.step * status.steps if left else status.seconds


def _work(run: Run) -> str:
    data = {key: value for key, value in run.config["data"].items() if key not in ("labels", "split_seed")}
    return json.dumps([data, run.config["backbone"], run.config["budget"]], sort_keys=True)
