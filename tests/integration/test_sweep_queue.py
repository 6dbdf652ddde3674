"""Sweeps of a server: through its Lab's queue, driven by a process of their own, paused, resumed, and gone on with by
the next server.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.errors import LabError
from engine.lab.lab import Lab
from engine.lab.sweeps.sweep_queue import SweepQueue
from engine.runs.store import Store
from engine.tuning.dimension import Dimension
from engine.tuning.sweep_folder import SweepFolder
from tests.integration.lab_helpers import close, happened
from tests.integration.process_helpers import alive
from tests.integration.sweeps import LR, SMALL, plan
from tests.waiting import until

pytestmark = pytest.mark.slow

DIGITS: dict[str, Any] = {**SMALL, "data": {"name": "digits"}}
LONG = {**DIGITS, "budget": {"steps": 50_000, "batch_size": 4, "evaluate_every": 1000}}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("server") / "checkpoints"


@pytest.fixture(scope="module")
def lab(root: Path) -> Iterator[Lab]:
    lab = Lab(root).start()
    yield lab
    close(lab)


@pytest.fixture(scope="module")
def queue(lab: Lab) -> Iterator[SweepQueue]:
    queue = SweepQueue(lab).start()
    yield queue
    queue.close()


def training(root: Path, sweep: SweepFolder) -> str:
    """The id of the sweep's run that trains, "" if none does."""
    runs = (run for run in Store(root).runs() if run.name.startswith(f"{sweep.name}, "))
    return next((run.id for run in runs if run.status.state == "running" and run.status.step > 0), "")


def test_a_sweep_trains_its_trials_through_the_queue(lab: Lab, queue: SweepQueue) -> None:
    sweep = queue.begin(plan(DIGITS, LR, name="quick", trials=2))
    assert sweep.shown_state() == "waiting"
    until(lambda: sweep.status().state == "finished", "the end of the sweep")
    status = sweep.status()
    assert [(trial.number, trial.state) for trial in status.trials] == [(0, "finished"), (1, "finished")]
    for trial in status.trials:
        (draw,) = trial.draws
        run = lab.store.run(draw.run)
        assert run.status.metrics["validation/accuracy"] == trial.accuracy == draw.accuracy
        assert run.status.pid == lab.trainer.pid
    assert sweep.shown_state() == "finished"
    until(lambda: queue.pid is None, "the end of the process that has nothing to drive")


def test_a_paused_sweep_lets_other_runs_train_and_goes_on_with_the_run_it_left(
    root: Path, lab: Lab, queue: SweepQueue
) -> None:
    sweep = queue.begin(plan(LONG, LR, name="long", trials=1))
    until(lambda: training(root, sweep), "a trial that trains")
    run = lab.store.open(training(root, sweep))
    sweep.want("pause")
    until(lambda: run.status().state == "stopped" and not sweep.is_leaving(), "the pause")
    assert sweep.shown_state() == "paused"
    assert lab.store.queue() == []
    before = run.status().step
    queue.go_on(sweep)
    until(lambda: run.status().state == "running" and run.status().step > before, "the same run again")
    assert happened(run) == ["start", "stopped", "resume", "continue"]
    sweep.want("stop")
    until(lambda: sweep.shown_state() == "stopped" and not sweep.is_leaving(), "the stop")
    assert [trial.state for trial in sweep.status().trials] == ["running"]


def test_a_sweep_that_cannot_be_judged_is_refused_with_its_sentence(queue: SweepQueue) -> None:
    wrong = plan({**DIGITS, "data": {"name": "digits", "validation": 0}}, LR, name="wrong")
    with pytest.raises(LabError, match="A sweep goes by validation accuracy, and no labeled image is held out for it"):
        queue.begin(wrong)
    unknown = replace(wrong, config={**wrong.config, "data": {**wrong.config["data"], "validation": 0.1}})
    with pytest.raises(LabError, match=r"There is no setting 'method'"):
        queue.begin(replace(unknown, dimensions=(Dimension("method.none", 0.0, 1.0),)))
    assert "wrong" not in [sweep.name for sweep in queue.store.sweeps()]


def test_the_next_server_goes_on_with_a_sweep_that_was_under_way(tmp_path: Path) -> None:
    first = Lab(tmp_path).start()
    queue = SweepQueue(first).start()
    sweep = queue.begin(plan(LONG, LR, trials=1))
    until(lambda: training(tmp_path, sweep), "a trial that trains")
    run = first.store.open(training(tmp_path, sweep))
    driver = queue.pid
    assert driver is not None
    queue.close()
    close(first)
    until(lambda: not alive(driver), "the end of the process that drove")
    assert run.status().state == "interrupted"
    second = Lab(tmp_path).start()
    queue = SweepQueue(second).start()
    try:
        until(lambda: sweep.shown_state() == "running" and "continue" in happened(run), "the sweep to go on")
        assert [draw.run for draw in sweep.status().trials[0].draws] == [run.id]
        assert len(second.store.runs()) == 1
        sweep.want("stop")
        until(lambda: run.status().state == "stopped", "the stop")
    finally:
        queue.close()
        close(second)
