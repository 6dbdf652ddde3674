"""rc: candidates weigh as much as the network believes in them, asked again after each step."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor

from engine.backbones.backbone import Backbone
from engine.config.parts import MethodParams
from engine.methods.base.batch import Batch, Stream, View
from engine.methods.base.classifier_method import ClassifierMethod
from engine.methods.base.context import StepContext, TaskSpec
from engine.methods.base.method import StepResult
from engine.methods.parts.batch_norm import bn_stats_frozen
from engine.methods.parts.losses import restricted_softmax, soft_cross_entropy
from engine.methods.parts.memory_table import scatter_last_


class RC(ClassifierMethod):
    """RC, risk-consistent partial-label learning (Feng et al. 2020, arXiv:2007.08929, algorithm 1): weights come from a
    second forward pass, after the update and still in train mode, as in the authors' code.
    """

    class Params(MethodParams):
        name: Literal["rc"] = "rc"

    title = "RC"
    summary = "Weighs each candidate by the network's confidence in it."
    idea = "Train on weighted candidates, then ask the network for the weights again."
    formula = r"L = \frac{1}{2B}\sum_b \sum_j w_{bj}\, \ell(f(x_b), j)"
    paper = "Feng et al. 2020, arXiv:2007.08929"
    supervision: ClassVar[set[str]] = {"partial"}

    def __init__(self, params: Params, backbone: Backbone, problem: TaskSpec) -> None:
        super().__init__(params, backbone, problem)
        known = problem.candidates
        candidates = torch.ones(0, problem.classes, dtype=torch.bool) if known is None else known
        self.weights: Tensor
        self.register_buffer("weights", candidates.float() / candidates.sum(1, keepdim=True))  # [n, K]

    def candidate_weights(self) -> Tensor:
        return self.weights

    def streams(self) -> dict[str, Stream]:
        return {"all": Stream("all", self.problem.batch_size, {"weak": View("weak")})}

    def step(self, batch: Batch, now: StepContext) -> StepResult:
        part = batch["all"]
        (logits,) = self.classifier.logits(part.weak)
        loss = soft_cross_entropy(logits, self.weights[part.rows])
        return StepResult(loss, {"loss/labeled": loss.detach()})

    @torch.no_grad()
    def after_update(self, batch: Batch, now: StepContext) -> None:
        part = batch["all"]
        with bn_stats_frozen(self.classifier):
            (logits,) = self.classifier.logits(part.weak)
        scatter_last_(self.weights, part.rows, restricted_softmax(logits, part.known_candidates))
