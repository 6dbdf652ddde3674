"""Sweeps that really train: what trials are judged by, what prunes, ends, fails and pauses them, and what is left."""

from __future__ import annotations

import io
import json
import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from engine.errors import ConfigError, RunError
from engine.lab.sweeps.sweep_worker import SweepWorker
from engine.lab.worker_stdio import WorkerStdio
from engine.runs.store import Run, Store
from engine.training.commands import Command, Control
from engine.tuning import driver, study
from engine.tuning.dimension import Dimension
from engine.tuning.sweep_check import check_sweep
from engine.tuning.sweep_folder import SweepFolder, SweepStatus, SweepStore, Trial
from engine.tuning.verdict import verdict
from tests.integration.sweeps import LR, TOY, drive, plan
from tests.waiting import until

pytestmark = pytest.mark.usefixtures("toy")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sweep") / "checkpoints"


@pytest.fixture(scope="module")
def ended(root: Path) -> SweepFolder:
    """Four trials on two draws of labels each."""
    sweep = SweepStore(root).create(plan(TOY, LR, name="ended", trials=4, label_draws=2))
    drive(sweep, root)
    return sweep


def runs_of(root: Path, sweep: SweepFolder) -> list[Run]:
    return [run for run in Store(root).runs() if run.name.startswith(f"{sweep.name}, ")]


def test_a_trial_is_judged_by_the_mean_validation_accuracy_of_its_draws(root: Path, ended: SweepFolder) -> None:
    status = ended.status()
    assert (status.state, status.over, status.reason) == ("finished", 4, "All 4 trials are done.")
    assert [trial.number for trial in status.trials] == [0, 1, 2, 3]
    for trial in status.trials:
        runs = [Store(root).run(draw.run) for draw in trial.draws]
        assert trial.state == "finished"
        assert trial.accuracy == pytest.approx(np.mean([run.status.metrics["validation/accuracy"] for run in runs]))
        assert [run.config["optimizer"]["lr"] for run in runs] == [trial.values["optimizer.lr"]] * 2
        assert [run.name for run in runs] == [f"ended, trial {trial.number}"] * 2
        assert trial.seconds == pytest.approx(sum(run.status.seconds for run in runs))
    best = max(status.trials, key=lambda trial: trial.accuracy or 0)
    assert status.best(1)[0].accuracy == best.accuracy


def test_what_prunes_sees_the_curves_of_all_draws_one_behind_the_other(root: Path, ended: SweepFolder) -> None:
    storage = JournalStorage(JournalFileBackend(str(ended.journal_file)))
    study = optuna.load_study(study_name=ended.name, storage=storage)
    for trial, known in zip(study.trials, ended.status().trials, strict=True):
        curves = [Store(root).run(draw.run).folder.metrics() for draw in known.draws]
        assert trial.intermediate_values == {
            20 * number + row["step"]: row["validation/accuracy"]
            for number, rows in enumerate(curves)
            for row in rows
            if "validation/accuracy" in row
        }


def test_the_first_trial_is_the_settings_that_it_began_with(ended: SweepFolder) -> None:
    assert (
        ended.status().trials[0].values
        == {"optimizer.lr": ended.plan().config["optimizer"]["lr"]}
        == {"optimizer.lr": 0.1}
    )


def test_draws_that_are_reported_later_are_none_of_those_that_settings_were_chosen_on(ended: SweepFolder) -> None:
    asked = ended.plan()
    chosen = {draw.seed for trial in ended.status().trials for draw in trial.draws}
    assert chosen == {1000, 1001} == set(asked.draws())
    assert not chosen & set(asked.fresh_seeds(100))
    taken = replace(asked, config={**asked.config, "seed": 1000})
    assert taken.draws() == [1001, 1002]


def test_a_sweep_of_one_seed_tries_the_same_settings_again(root: Path, ended: SweepFolder, tmp_path: Path) -> None:
    sweep = SweepStore(tmp_path).create(replace(ended.plan(), trials=2))
    drive(sweep, tmp_path)
    assert [trial.values for trial in sweep.status().trials] == [trial.values for trial in ended.status().trials[:2]]


def test_a_sweep_that_is_done_goes_on_with_a_larger_budget(root: Path, ended: SweepFolder, tmp_path: Path) -> None:
    copied = shutil.copytree(root, tmp_path / "copied")
    sweep = SweepStore(copied).open(ended.name)
    sweep.write_plan(sweep.plan().with_budget(5, None))
    sweep.want("run")
    status = drive(sweep, copied)
    assert [trial.number for trial in status.trials] == [0, 1, 2, 3, 4]
    assert status.trials[:4] == ended.status().trials


@pytest.mark.slow
def test_the_best_settings_and_its_own_are_compared_on_new_draws_of_labels(
    root: Path, ended: SweepFolder, tmp_path: Path
) -> None:
    copied = shutil.copytree(root, tmp_path / "copied")
    sweep = SweepStore(copied).open(ended.name)
    best = sweep.status().best(1)[0]
    if best.number == 0:  # what is best on so few images is not the point here
        sweep.write_status(replace(sweep.status(), trials=sweep.status().trials[1:]))
        best = sweep.status().best(1)[0]
    sweep.ask_for_fresh_seeds(2)
    status = drive(sweep, copied)
    assert status.fresh is not None
    assert status.fresh.trial == best.number
    expected: dict[str, list[float]] = {}
    for side, lr in (("best", best.values["optimizer.lr"]), ("own", 0.1)):
        draws = getattr(status.fresh, side)
        runs = [Store(copied).run(draw.run) for draw in draws]
        assert (
            [run.config["data"]["split_seed"] for run in runs] == [run.config["seed"] for run in runs] == [1500, 1501]
        )
        assert {run.config["optimizer"]["lr"] for run in runs} == {lr}
        expected[side] = [run.status.metrics["test/accuracy"] for run in runs]
        assert [draw.accuracy for draw in draws] == expected[side]
    judged = verdict(status.fresh)
    assert judged is not None
    assert judged.gain == pytest.approx(np.mean(expected["best"]) - np.mean(expected["own"]))
    # The same question again trains nothing.
    before = [run.id for run in Store(copied).runs()]
    sweep.ask_for_fresh_seeds(2)
    assert drive(sweep, copied).fresh == status.fresh
    assert [run.id for run in Store(copied).runs()] == before


class Answering:
    """In place of training: a run ends at once, its test accuracy is its learning rate."""

    at_once, leaves = 1, False

    def __init__(self, checkpoints: Path) -> None:
        self._checkpoints = checkpoints
        self.trained: list[tuple[float, int]] = []

    def train(self, run_id: str, look: Callable[[], bool]) -> None:
        run = Store(self._checkpoints).run(run_id)
        lr = run.config["optimizer"]["lr"]
        self.trained.append((lr, run.config["seed"]))
        run.folder.update_status(state="finished", metrics={"test/accuracy": lr})


def test_a_trial_that_has_become_the_best_is_tested_itself_and_the_sweeps_own_settings_not_again(
    tmp_path: Path,
) -> None:
    sweep = SweepStore(tmp_path).create(plan(TOY, LR, name="twice"))
    trainer = Answering(tmp_path)
    tried = [Trial(0, "finished", {LR.key: 0.1}, 0.5), Trial(1, "finished", {LR.key: 0.2}, 0.6)]

    def tested(count: int) -> SweepStatus:
        sweep.write_status(replace(sweep.status(), trials=tuple(tried)))
        sweep.ask_for_fresh_seeds(count)
        trainer.trained.clear()
        return driver.SweepDriver(sweep, tmp_path, trainer).drive()

    first = tested(2).fresh
    assert first is not None
    assert sorted(trainer.trained) == [(0.1, 1500), (0.1, 1501), (0.2, 1500), (0.2, 1501)]
    tried.append(Trial(2, "finished", {LR.key: 0.4}, 0.7))
    second = tested(2).fresh
    assert second is not None
    assert sorted(trainer.trained) == [(0.4, 1500), (0.4, 1501)]
    assert (second.trial, [draw.accuracy for draw in second.best]) == (2, [0.4, 0.4])
    assert second.own == first.own
    # On one draw more each is trained once more, and of fewer no other one is told.
    third = tested(3).fresh
    assert third is not None
    assert sorted(trainer.trained) == [(0.1, 1502), (0.4, 1502)]
    fourth = tested(1).fresh
    assert fourth is not None
    assert trainer.trained == []
    assert (fourth.best, fourth.own) == (third.best[:1], third.own[:1])


@pytest.mark.slow
def test_a_poor_trial_is_pruned_and_its_run_stopped_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "UNPRUNED", 1)
    long = {**TOY, "budget": {"steps": 160, "batch_size": 4, "evaluate_every": 10}}
    sweep = SweepStore(tmp_path).create(plan(long, Dimension("optimizer.lr", choices=(0.1, 1e-9)), trials=2, seed=0))
    status = drive(sweep, tmp_path)
    first, second = status.trials
    assert (first.state, first.values) == ("finished", {"optimizer.lr": 0.1})
    assert (second.state, second.values) == ("pruned", {"optimizer.lr": 1e-9})
    (run,) = (Store(tmp_path).run(draw.run) for draw in second.draws)
    assert run.status.state == "stopped"
    assert 53 <= run.status.step < 160  # not in the first third
    assert run.folder.model_file.exists()
    curves = [
        {
            row["step"]: row["validation/accuracy"]
            for row in Store(tmp_path).run(trial.draws[0].run).folder.metrics()
            if "validation/accuracy" in row
        }
        for trial in status.trials
    ]
    below = (s for s in curves[1] if s in curves[0] and max(v for at, v in curves[1].items() if at <= s) < curves[0][s])
    step = min(s for s in below if s >= 53)
    assert run.status.step >= step
    # Stopped by the sweep, it is no run that waits to be trained again.
    sweep.write_plan(sweep.plan().with_budget(2, None))
    sweep.want("run")
    assert drive(sweep, tmp_path).trials == status.trials


@pytest.mark.slow
def test_a_diverged_trial_is_told_as_failed_and_the_sweep_goes_on(tmp_path: Path) -> None:
    wild = {**TOY, "optimizer": {"name": "sgd", "lr": 10, "momentum": 0.99, "warmup_steps": 0, "weight_decay": 1}}
    wild = {
        **wild,
        "backbone": {"name": "simple_cnn"},
        "budget": {"steps": 300, "batch_size": 4, "evaluate_every": 300},
    }
    sweep = SweepStore(tmp_path).create(plan(wild, Dimension("optimizer.lr", choices=(10.0, 1e-3)), trials=3, seed=1))
    status = drive(sweep, tmp_path)
    assert status.state == "finished"
    assert status.trials[0].state == "failed"
    assert status.trials[0].reason.startswith("The loss is not a finite number at step")
    assert "finished" in {trial.state for trial in status.trials}


def test_a_sweep_that_only_fails_gives_up_and_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "_FAILURES", 2)
    broken = plan(TOY, Dimension("optimizer.momentum", 0.0, 0.5), trials=9)
    broken = replace(broken, config={**broken.config, "backbone": {"name": "small_cnn", "width": -1}})
    sweep = SweepStore(tmp_path).create(broken)
    with pytest.raises(RunError, match=r"^2 trials in a row failed, the last one because: backbone.width is -1"):
        drive(sweep, tmp_path)
    assert (sweep.status().state, sweep.status().over, sweep.wanted().action) == ("failed", 2, "rest")


def test_the_minutes_are_those_trained_and_survive_a_restart(tmp_path: Path) -> None:
    longer = {**TOY, "budget": {"steps": 150, "batch_size": 4, "evaluate_every": 150}}
    sweep = SweepStore(tmp_path).create(plan(longer, LR, trials=50, minutes=0.01))
    status = drive(sweep, tmp_path)
    assert status.reason == f"Its 0.01 minutes of training are used up after {status.over} trials."
    assert 0 < status.over < 50
    seconds = [trial.seconds for trial in status.trials]
    assert sum(seconds[:-1]) < 0.6 <= sum(seconds)
    sweep.want("run")
    assert drive(sweep, tmp_path).over == status.over  # another life gets no minutes of its own


@pytest.mark.parametrize("action", ["pause", "stop"])
def test_a_sweep_that_was_left_goes_on_with_the_very_run_it_left(action: Any, tmp_path: Path) -> None:
    longer = {**TOY, "budget": {"steps": 120, "batch_size": 4, "evaluate_every": 10}}
    sweep = SweepStore(tmp_path).create(plan(longer, LR, trials=1))

    def ask() -> None:
        until(lambda: trained_steps(tmp_path) > 0, "a step")
        sweep.want(action)

    asking = threading.Thread(target=ask)
    asking.start()
    status = drive(sweep, tmp_path)
    asking.join()
    assert (status.state, status.over) == ({"pause": "paused", "stop": "stopped"}[action], 0)
    (left,) = Store(tmp_path).runs()
    assert left.status.state == "stopped"
    assert 0 < left.status.step < 120
    sweep.want("run")
    (trial,) = drive(sweep, tmp_path).trials
    (run,) = Store(tmp_path).runs()
    assert (trial.state, [draw.run for draw in trial.draws]) == ("finished", [left.id])
    assert (run.status.state, run.status.step) == ("finished", 120)


def test_another_task_that_is_asked_for_while_a_run_trains_comes_next_and_no_trial_is_lost(tmp_path: Path) -> None:
    longer = {**TOY, "budget": {"steps": 120, "batch_size": 4, "evaluate_every": 10}}
    sweep = SweepStore(tmp_path).create(plan(longer, LR, trials=2))
    refused: list[str] = []

    def ask() -> None:
        until(lambda: trained_steps(tmp_path) > 0, "a step")
        with pytest.raises(ConfigError, match="goes on at this moment") as error:
            sweep.ask_for_fresh_seeds(2)
        refused.append(str(error.value))
        sweep.want("run", "fresh")

    asking = threading.Thread(target=ask)
    asking.start()
    status = drive(sweep, tmp_path)
    asking.join()
    assert len(refused) == 1
    assert (status.state, status.over) == ("waiting", 0)
    assert (sweep.wanted().task, sweep.wanted().action) == ("fresh", "run")
    sweep.want("run", "search")
    assert [trial.state for trial in drive(sweep, tmp_path).trials] == ["finished", "finished"]


def trained_steps(root: Path) -> int:
    return sum(len(run.folder.metrics()) for run in Store(root).runs())


def test_ctrl_c_leaves_a_sweep_that_goes_on(tmp_path: Path) -> None:
    sweep = SweepStore(tmp_path).create(plan(TOY, LR, trials=2))
    control = Control()
    control.send(Command("interrupt"))
    status = drive(sweep, tmp_path, control)
    assert (status.state, status.over) == ("waiting", 0)
    assert drive(sweep, tmp_path).over == 2


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"data": {"name": "toy", "validation": 0}},
            "A sweep goes by validation accuracy, and no labeled image is held",
        ),
        (
            {"method": {"name": "rotation"}, "data": {"name": "toy"}},
            "A sweep goes by validation accuracy, and rotation",
        ),
        ({"data": {**TOY["data"], "labels": {"per_class": 30}}}, "30 labels per class are asked for, but class"),
    ],
)
def test_a_sweep_that_cannot_be_judged_is_refused(changes: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=sentence):
        check_sweep(plan({**TOY, **changes}, Dimension("method.x", 0, 1)), tmp_path)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"name": "../up"}, r"A sweep cannot be named '\.\./up'"),
        ({"trials": 0}, "A sweep has 1 to 10,000 trials, but 0 was asked for"),
        ({"minutes": -1.0}, "A sweep's minutes are 0, for no limit, or more, but -1.0 was asked for"),
        ({"dimensions": ()}, "Nothing varies"),
        ({"dimensions": (LR, LR)}, "optimizer.lr is asked to vary twice"),
    ],
)
def test_a_plan_without_sense_is_one_sentence(changes: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=sentence):
        SweepStore(tmp_path).create(replace(plan(TOY, LR), **changes))


def test_two_fewlabs_do_not_drive_one_sweep(tmp_path: Path) -> None:
    sweep = SweepStore(tmp_path).create(plan(TOY, LR))
    with (
        sweep.lock(),
        pytest.raises(RunError, match="The sweep small goes on in another FewLab: pause or stop it there"),
    ):
        drive(SweepFolder(sweep.path), tmp_path)


def test_without_a_better_trial_there_is_nothing_to_test(tmp_path: Path, ended: SweepFolder) -> None:
    sweep = SweepStore(tmp_path).create(ended.plan())
    with pytest.raises(ConfigError, match="No trial of the sweep ended has finished yet"):
        sweep.ask_for_fresh_seeds(5)
    sweep.write_status(
        SweepStatus(trials=(replace(ended.status().trials[0], accuracy=1.0), *ended.status().trials[1:]))
    )
    with pytest.raises(ConfigError, match="they are the best found"):
        sweep.ask_for_fresh_seeds(5)


@pytest.mark.parametrize("name", ["plan.json", "status.json", "wanted.json"])
@pytest.mark.parametrize("content", [b"", b"[]", b'{"trials": 3}', b'{"version": 1, "dimensions": "x"}', b"\xff"])
def test_a_damaged_sweep_is_left_out_of_the_list(name: str, content: bytes, tmp_path: Path) -> None:
    store = SweepStore(tmp_path)
    sweep, other = store.create(plan(TOY, LR)), store.create(plan(TOY, LR, name="other"))
    (sweep.path / name).write_bytes(content)
    # One asks for nothing, and what a status says beyond what is known is not read.
    harmless = (name, content) == ("status.json", b'{"version": 1, "dimensions": "x"}')
    harmless = harmless or (name == "wanted.json" and content.startswith(b"{"))
    assert [one.name for one in store.sweeps()] == (["small", "other"] if harmless else [other.name])


def test_a_sweep_that_another_fewlab_drives_is_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    sweep = SweepStore(tmp_path).create(plan(TOY, LR))
    worker = SweepWorker(WorkerStdio(io.BytesIO(json.dumps({"checkpoints": str(tmp_path)}).encode()), io.BytesIO()))
    looks = iter([[sweep], [sweep], [sweep], []])
    with sweep.lock(), pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.lab.sweeps.sweep_worker.SweepStore.asked_to_run", lambda store: next(looks))
        patch.setattr("engine.lab.sweeps.sweep_worker.SweepWorker._wait_for_the_end", lambda worker: None)
        patch.setattr("engine.lab.sweeps.sweep_worker._AGAIN", 0.0)
        worker.serve()
    assert [record.getMessage() for record in caplog.records] == [
        "the sweep small ended: The sweep small goes on in another FewLab: pause or stop it there."
    ]
