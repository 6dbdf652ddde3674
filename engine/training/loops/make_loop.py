"""The loop that fits a method."""

from __future__ import annotations

from engine.config.run_config import RunConfig
from engine.data.image_set import ImageSet
from engine.data.split import Split
from engine.methods.base.method import FittedMethod, GradientMethod, Method
from engine.processes.group import Processes
from engine.training.evaluation.evaluator import Evaluator
from engine.training.hardware import Machine
from engine.training.loops.fit_loop import FitLoop
from engine.training.loops.gradient_loop import GradientLoop
from engine.training.loops.loop import TrainingLoop


def make_loop(
    method: Method,
    config: RunConfig,
    images: ImageSet,
    split: Split,
    machine: Machine,
    evaluator: Evaluator,
    processes: Processes | None = None,
) -> TrainingLoop:
    if isinstance(method, FittedMethod):
        return FitLoop(method, images, split, evaluator)
    assert isinstance(method, GradientMethod)
    return GradientLoop(method, config, images, split, machine, evaluator, processes)
