"""Small sweeps of the made-up data set for tests, in this process or in one that can be killed."""

from __future__ import annotations

import functools
import multiprocessing
import os
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from engine.config.run_config import RunConfig
from engine.lab.executors import inline
from engine.lab.executors.inline_sweep import InlineTrainer
from engine.registry import datasets
from engine.training.commands import Control
from engine.training.trainer import Trainer
from engine.tuning.dimension import Dimension
from engine.tuning.driver import SweepDriver
from engine.tuning.sweep_folder import SweepFolder, SweepStatus, SweepStore
from engine.tuning.sweep_plan import SweepPlan
from tests.contract.toy import Toy
from tests.integration.trainer_process import NEEDED

SMALL: dict[str, Any] = {
    "method": {"name": "supervised"},
    "backbone": {"name": "small_cnn", "width": 4},
    "budget": {"steps": 20, "batch_size": 4, "evaluate_every": 5},
    "hardware": {"device": "cpu", "threads": 1},
}
TOY = {**SMALL, "data": {"name": "toy", "per_class": 40, "validation": 0.4, "labels": {"kind": "few", "per_class": 2}}}
LR = Dimension("optimizer.lr", 0.001, 0.5, log=True)


def plan(config: dict[str, Any], *dimensions: Dimension, **more: Any) -> SweepPlan:
    made = {"name": "small", "source": "test", "label_draws": 1, **more}
    return SweepPlan(config=RunConfig.parse(config).model_dump(mode="json"), dimensions=dimensions, **made)


def drive(sweep: SweepFolder, checkpoints: Path, control: Control | None = None) -> SweepStatus:
    return SweepDriver(sweep, checkpoints, InlineTrainer(checkpoints, control or Control())).drive()


def start(checkpoints: Path, name: str) -> BaseProcess:
    """A process that drives a sweep, forked from one that has imported torch and optuna."""
    process: BaseProcess
    if os.name == "nt":  # which cannot fork
        process = multiprocessing.get_context("spawn").Process(target=_drive, args=(checkpoints, name))
    else:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([__name__, *NEEDED])
        process = context.Process(target=_drive, args=(checkpoints, name))
    process.start()
    return process


def _drive(checkpoints: Path, name: str) -> None:
    datasets.register(Toy)
    # Often enough that a run of a second has one when it is killed.
    vars(inline)["Trainer"] = functools.partial(Trainer, checkpoint_seconds=0.1)
    drive(SweepStore(checkpoints).open(name), checkpoints)
