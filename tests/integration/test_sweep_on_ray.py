"""A sweep on a real Ray cluster of this machine with room for two runs: six runs, one worker killed for real while it
trains; all six finish, and are bit for bit those of one process that trains one after another.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from engine.config.parts import Hardware
from engine.errors import ConfigError
from engine.lab.executors.ray_trainer import RayTrainer
from engine.runs.store import Run, Store
from engine.training.commands import Control
from engine.tuning.driver import SweepDriver
from engine.tuning.sweep_folder import SweepStatus, SweepStore
from tests.integration.command_line import PLAIN, engine
from tests.integration.process_helpers import ROOT, alive, child
from tests.integration.ray_cluster import needs_ray, ray_cluster
from tests.integration.sweeps import LR, SMALL, drive, plan
from tests.waiting import until

TRIALS = 6
DIGITS: dict[str, Any] = {
    **SMALL,
    "data": {"name": "digits"},
    "budget": {"steps": 200, "batch_size": 16, "evaluate_every": 100},
}
ONE = Hardware(device="cpu", threads=1)
ASKED = ("sweep", "--preset", "digits-supervised", "--vary", "optimizer.lr", "--set", "hardware.threads=1")


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    with ray_cluster(workers=2) as address:
        yield address


def drive_on_ray(checkpoints: Path, name: str, address: str) -> None:
    # Checkpoints often enough that a run of a second has one when its worker is killed.
    with RayTrainer(checkpoints, ONE, address, Control(), checkpoint_seconds=0.1) as trainer:
        SweepDriver(SweepStore(checkpoints).open(name), checkpoints, trainer).drive()


@pytest.fixture(scope="module")
def one_by_one(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SweepStatus]:
    """The same sweep in this process."""
    root = tmp_path_factory.mktemp("one_by_one")
    return root, drive(SweepStore(root).create(plan(DIGITS, LR, trials=TRIALS)), root)


@pytest.fixture(scope="module")
def on_ray(cluster: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SweepStatus, Run]:
    """The sweep on Ray, and the run whose worker was killed as it was then."""
    root = tmp_path_factory.mktemp("on_ray")
    sweep = SweepStore(root).create(plan(DIGITS, LR, trials=TRIALS))
    driver = multiprocessing.get_context("spawn").Process(target=drive_on_ray, args=(root, sweep.name, cluster))
    driver.start()
    try:
        training: list[Run] = []

        def two_train() -> bool:
            training[:] = [run for run in Store(root).runs() if run.status.state == "running" and run.status.step > 0]
            return len(training) == 2 and training[0].folder.checkpoint_file.exists()

        until(lambda: two_train() or not driver.is_alive(), "two runs at once, with a checkpoint", every=0.02)
        assert driver.is_alive(), "the sweep ended before a worker could be killed"
        killed = training[0]
        os.kill(killed.status.pid, signal.SIGKILL)
        until(lambda: not driver.is_alive(), "the end of the sweep")
        assert driver.exitcode == 0
        return root, sweep.status(), killed
    finally:
        driver.kill()
        driver.join()


def runs_by_trial(root: Path, status: SweepStatus) -> list[Run]:
    return [Store(root).run(trial.draws[0].run) for trial in status.trials]


@needs_ray
@pytest.mark.slow
def test_all_runs_finish_though_a_worker_was_killed(on_ray: tuple[Path, SweepStatus, Run]) -> None:
    root, status, killed = on_ray
    assert (status.state, [trial.state for trial in status.trials]) == ("finished", ["finished"] * TRIALS)
    assert [run.status.state for run in Store(root).runs()] == ["finished"] * TRIALS
    begun = {
        run.id: [event for event in run.folder.events() if event["event"] in ("start", "continue")]
        for run in Store(root).runs()
    }
    first, second = begun.pop(killed.id)
    assert (first["event"], first["pid"]) == ("start", killed.status.pid)
    # From its checkpoint and in another process, not from the start.
    assert (second["event"], second["step"] > 0) == ("continue", True)
    assert second["pid"] != first["pid"]
    assert all(len(events) == 1 for events in begun.values())


@needs_ray
@pytest.mark.slow
def test_settings_accuracies_and_weights_are_bit_for_bit_those_of_one_process(
    on_ray: tuple[Path, SweepStatus, Run], one_by_one: tuple[Path, SweepStatus]
) -> None:
    (there, swept, _), (here, known) = on_ray, one_by_one
    assert [(t.number, t.values, t.accuracy) for t in swept.trials] == [
        (t.number, t.values, t.accuracy) for t in known.trials
    ]
    for other, own in zip(runs_by_trial(there, swept), runs_by_trial(here, known), strict=True):
        assert other.config == own.config
        assert other.status.metrics == own.status.metrics
        a, b = load_file(other.folder.model_file), load_file(own.folder.model_file)
        assert a.keys() == b.keys()
        assert all(torch.equal(a[name], b[name]) for name in a)


@needs_ray
@pytest.mark.slow
def test_once_the_sweep_is_over_its_workers_are_gone_and_anybody_may_train(
    on_ray: tuple[Path, SweepStatus, Run],
) -> None:
    root, _, _ = on_ray
    until(lambda: not any(alive(run.status.pid) for run in Store(root).runs()), "the end of the workers")
    assert not list(root.glob(".shared-*"))
    with Store(root).lock().acquire(timeout=0):
        pass


@needs_ray
@pytest.mark.slow
def test_interrupted_it_leaves_a_run_to_be_gone_on_with(cluster: str, tmp_path: Path) -> None:
    # Two threads, so that the cluster has room for one run.
    settings = ("--set", "hardware.threads=2", "--set", "budget.steps=100000", "--name", "long")
    asked = (*ASKED, *settings, "--on", cluster, "--checkpoints", str(tmp_path))
    with child(sys.executable, "-m", "engine", *asked, env={**os.environ, **PLAIN}) as process:
        until(
            lambda: any(run.status.step for run in Store(tmp_path).runs()) or process.poll() is not None,
            "the first steps",
            300,
        )
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    (run,) = Store(tmp_path).runs()
    assert run.status.state == "interrupted"
    assert run.folder.checkpoint_file.exists()
    assert SweepStore(tmp_path).open("long").wanted().action == "pause"


@needs_ray
@pytest.mark.slow
def test_a_machine_that_does_not_share_the_folder_is_named_and_nothing_is_begun(cluster: str, tmp_path: Path) -> None:
    """The sweep is driven where something else is mounted over the folder, so that only it sees what it writes."""
    unshared = ("unshare", "--user", "--map-root-user", "--mount")
    if subprocess.run([*unshared, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system does not let a process mount anything for itself alone")
    asked = " ".join((*ASKED, "--on", cluster, "--checkpoints", str(tmp_path)))
    script = f"mount -t tmpfs none {tmp_path} && {sys.executable} -m engine {asked}; code=$?; ls {tmp_path}; exit $code"
    done = subprocess.run(
        [*unshared, "sh", "-c", script],
        cwd=ROOT,
        env={**os.environ, **PLAIN},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"The machine {os.uname().nodename} of the cluster does not see {tmp_path}: mount the folder there, under the"
        " same path.\n"
    )


@needs_ray
@pytest.mark.slow
def test_runs_that_no_machine_has_room_for_are_refused(cluster: str, tmp_path: Path) -> None:
    refused = engine(*ASKED, "--set", "hardware.threads=3", "--on", cluster, "--checkpoints", tmp_path, code=2)
    assert refused.stderr == (
        "No machine of the cluster has 3 CPU for a run: set hardware.threads lower, or add a machine.\n"
    )


@needs_ray
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--on", "ray"), "Runs cannot be trained on 'ray': give a Ray cluster's address, such as ray://HOST:10001."),
        (("--on", "ray://head:x"), "Runs cannot be trained on 'ray://head:x': give a Ray cluster's address, such as"),
        (
            ("--on", "ray://127.0.0.1:1"),
            "No Ray cluster could be used at ray://127.0.0.1:1 (ConnectionRefusedError): see that it runs, that this",
        ),
        (
            ("--on", "ray://127.0.0.1:1", "--set", "hardware.threads=0"),
            "On Ray several runs share a machine: say how many threads each takes, such as --set hardware.threads=1.",
        ),
        (
            ("--on", "ray://127.0.0.1:1", "--set", "hardware.device=cuda:1"),
            'hardware.device is "cuda:1", but Ray gives each run a GPU of its own: set it to "auto", "cuda" or "cpu".',
        ),
    ],
)
def test_what_ray_cannot_be_asked_for_is_one_sentence_and_no_sweep(
    arguments: tuple[str, ...], sentence: str, tmp_path: Path
) -> None:
    refused = engine(*ASKED, *arguments, "--checkpoints", tmp_path, code=2)
    assert refused.stderr.startswith(sentence)
    assert len(refused.stderr.splitlines()) == 1
    assert SweepStore(tmp_path).sweeps() == []
    with Store(tmp_path).lock().acquire(timeout=0):
        pass


@needs_ray
def test_a_folder_in_which_another_fewlab_trains_is_left_to_it(tmp_path: Path) -> None:
    with Store(tmp_path).lock():
        refused = engine(*ASKED, "--on", "ray://127.0.0.1:1", "--checkpoints", tmp_path, code=2)
    assert refused.stderr == (
        f"Another FewLab trains in {tmp_path}: close it, start the sweep, and open it again to watch.\n"
    )


def test_without_ray_one_sentence_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r"^Ray is not installed: install it \(pip install -r requirements-extras"):
        RayTrainer(tmp_path, ONE, "ray://127.0.0.1:1", Control())
