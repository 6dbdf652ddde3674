"""What methods for partial labels share: a classifier, and a weight for each candidate of each image."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from engine.backbones.backbone import Backbone
from engine.config.parts import MethodParams
from engine.methods.base.batch import Stream, View
from engine.methods.base.classifier_method import ClassifierMethod
from engine.methods.base.context import TaskSpec
from engine.methods.parts.candidate_table import candidate_sets, uniform_weights


class CandidateMethod(ClassifierMethod):
    """Sees the whole pool with its candidate sets. `weights`: float32 [n, K] by row of the pool, each row a
    distribution over its candidates, uniform at first; a method moves them.
    """

    supervision: ClassVar[set[str]] = {"partial"}
    headline = ("test/accuracy", "candidates/identified", "candidates/ambiguity")
    weights: Tensor

    def __init__(self, params: MethodParams, backbone: Backbone, problem: TaskSpec) -> None:
        super().__init__(params, backbone, problem)
        self.register_buffer("weights", uniform_weights(candidate_sets(problem)))

    def candidate_weights(self) -> Tensor:
        return self.weights

    def streams(self) -> dict[str, Stream]:
        return {"all": Stream("all", self.problem.batch_size, {name: View(name) for name in self.views})}
