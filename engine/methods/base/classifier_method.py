"""The method that most others are: one backbone with a linear head, trained and served as it is."""

from __future__ import annotations

from torch import nn

from engine.backbones.backbone import Backbone
from engine.config.parts import MethodParams
from engine.methods.base.context import TaskSpec
from engine.methods.base.method import GradientMethod
from engine.methods.parts.networks import Classifier


class ClassifierMethod(GradientMethod):
    """Trains `self.classifier` and serves it: what is left to say are the streams and the loss."""

    def __init__(self, params: MethodParams, backbone: Backbone, problem: TaskSpec) -> None:
        super().__init__(params, backbone, problem)
        self.classifier = Classifier(backbone, problem.classes)

    def served(self) -> nn.Module:
        return self.classifier
