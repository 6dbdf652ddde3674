"""What the suites of methods share: all methods, a short config for each, and what two runs are compared by."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch

from engine.config.run_config import OWN_NETWORK, RunConfig
from engine.registry import backbones, methods
from engine.runs.journal import Row
from engine.runs.store import Run, Store
from engine.training import checkpoint
from engine.training.commands import Command, Control
from engine.training.trainer import Trainer

CLASSES = {name: methods[name] for name in methods}
METHODS = list(CLASSES)
WITHOUT_LOGITS = [name for name in METHODS if CLASSES[name].supervision == {"none"}]
WITH_STEPS = [name for name in METHODS if not CLASSES[name].fitted]
LARGE = {"resnet18", "resnet50", "wide_resnet", "efficientnet_lite", "timm", "vit_tiny"}
"""Backbones of which a step takes seconds."""
ONE_OF_EACH_BASE = set({CLASSES[name].__mro__[1]: name for name in reversed(METHODS)}.values())
STEPS = 12


def trains_each(names: Iterable[str]) -> list[Any]:
    """Parameters of a test that trains a method: without `slow`, only one of each base class, whose training it is."""
    return [name if name in ONE_OF_EACH_BASE else pytest.param(name, marks=pytest.mark.slow) for name in names]


def backbones_of(method: str) -> list[str]:
    """Those that it works with; of a method with a network of its own the one that only normalizes."""
    named = CLASSES[method].backbones
    return list(backbones) if named is None else sorted(named) or [OWN_NETWORK]


Trained = Callable[[str], Run]


def config(
    method: str, seed: int = 0, steps: int = STEPS, batch: int = 6, backbone: str | None = None, **data: Any
) -> RunConfig:
    cls = CLASSES[method]
    per_class = data.pop("labels", 2)
    kind = {"kind": "few", "per_class": per_class} if "few" in cls.supervision else {"kind": sorted(cls.supervision)[0]}
    plain = {
        "seed": seed,
        "method": {"name": method},
        "data": {"name": "toy", "labels": kind, **data},
        "hardware": {"device": "cpu", "threads": 1},
    }
    fitting = sorted(cls.backbones if cls.backbones is not None else ["small_cnn"])
    network = {"backbone": {"name": backbone or fitting[0]}} if fitting else {}
    return RunConfig.parse({**plain, **network, "budget": {"steps": steps, "batch_size": batch, "evaluate_every": 5}})


def weights(run: Run) -> dict[str, torch.Tensor]:
    saved = checkpoint.load(run.folder)
    assert saved is not None
    return {f"{part}.{name}": value for part in ("method", "average") for name, value in saved[part].items()}


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def numbers(run: Run) -> list[Row]:
    return [{name: value for name, value in row.items() if name != "seconds"} for row in run.folder.metrics()]


def stopped_at(store: Store, plain: RunConfig, step: int, commands: list[Command] | None = None) -> Run:
    """Train a run and interrupt it before the 0-based `step`, sending `commands` on the way."""

    class Scripted(Control):
        steps = itertools.count()

        def poll(self) -> Command | None:
            if (waiting := super().poll()) is not None:
                return waiting
            now = next(self.steps)
            return Command("interrupt") if now == step else None

    control = Scripted()
    for command in commands or []:
        control.send(command)
    folder = store.create(plain.model_dump(mode="json"))
    Trainer(folder, control).run()
    return store.run(folder.id)
