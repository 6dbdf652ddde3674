"""The loop that fits a method."""

from __future__ import annotations

from engine.config.run_config import RunConfig
from engine.data.image_set import ImageSet
from engine.data.split import Split
from engine.methods.base.method import FittedMethod, GradientMethod, Method
from engine.training.evaluation.evaluator import Evaluator
from engine.training.hardware import Machine
from engine.training.loops.fit_loop import FittedCourse
from engine.training.loops.gradient_loop import GradientCourse
from engine.training.loops.loop import Course


def make_course(
    method: Method, config: RunConfig, images: ImageSet, split: Split, machine: Machine, evaluator: Evaluator
) -> Course:
    if isinstance(method, FittedMethod):
        return FittedCourse(method, images, split, evaluator)
    assert isinstance(method, GradientMethod)
    return GradientCourse(method, config, images, split, machine)
