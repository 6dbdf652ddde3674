"""A benchmark's time is that of earlier runs, as far as they are the same work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engine.config.run_config import RunConfig
from engine.presets import PRESETS
from engine.runs.folder import Status
from engine.runs.store import Run, Store
from ui.compare.benchmark_time import benchmark_time


def run_of(store: Store, method: str, status: Status, **parts: Any) -> Run:
    config = RunConfig.parse({**PRESETS["digits-fixmatch"].config, "method": {"name": method}, **parts}).model_dump()
    folder = store.create(config)
    folder.write_status(status)
    return store.run(folder.id)


def test_a_run_that_was_stopped_says_what_all_its_steps_would_cost(tmp_path: Path) -> None:
    stopped = run_of(Store(tmp_path), "fixmatch", Status("stopped", step=50, steps=200, seconds=3.0))
    assert benchmark_time(["fixmatch", "uda"], stopped, []) == (2 * 12.0, False)


def test_each_method_takes_as_long_as_it_did_on_the_same_images_for_the_same_steps(tmp_path: Path) -> None:
    store = Store(tmp_path)
    base = run_of(store, "fixmatch", Status("finished", step=200, steps=200, seconds=10.0))
    same = run_of(store, "uda", Status("running", step=20, steps=200, seconds=3.0), seed=7)
    shorter = run_of(store, "vat", Status("finished", step=5, steps=5, seconds=1.0), budget={"steps": 5})
    waiting = run_of(store, "supervised", Status("queued", steps=200))
    runs = [waiting, shorter, same]
    assert benchmark_time(["fixmatch", "uda"], base, runs) == (10.0 + 30.0, True)
    assert benchmark_time(["vat", "supervised"], base, runs) == (10.0 + 10.0, False)


def test_nothing_is_said_before_a_run_has_taken_a_step_and_a_fit_that_ended_early_is_whole(tmp_path: Path) -> None:
    store = Store(tmp_path)
    waiting = run_of(store, "fixmatch", Status("queued", steps=200))
    assert benchmark_time(["uda"], waiting, []) is None
    fitted = run_of(store, "label_spreading", Status("finished", step=110, steps=2000, seconds=4.0))
    assert benchmark_time(["label_spreading"], fitted, []) == (4.0, True)
