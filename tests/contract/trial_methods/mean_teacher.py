"""mean_teacher: the student follows its own average, and the average is what answers."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from torch import nn
from torch.nn import functional as F

from engine.backbones.backbone import Backbone
from engine.config.parts import MethodParams
from engine.config.settings import param
from engine.methods.base.batch import Batch, Stream, View
from engine.methods.base.classifier_method import ClassifierMethod
from engine.methods.base.context import StepContext, TaskSpec
from engine.methods.base.method import StepResult
from engine.methods.parts.batch_norm import bn_stats_frozen
from engine.methods.parts.ema import ema_, frozen_copy
from engine.methods.parts.losses import linear_ramp


class MeanTeacher(ClassifierMethod):
    """Mean Teacher (Tarvainen & Valpola 2017, arXiv:1703.01780, eq. 2 and section 2): the squared difference of the
    student's and the teacher's probabilities on two views.
    """

    class Params(MethodParams):
        name: Literal["mean_teacher"] = "mean_teacher"
        decay: float = param(0.99, ge=0, lt=1, symbol="α", help="EMA decay of the teacher.")
        weight: float = param(1.0, ge=0, le=1000, symbol="λ", live=True, help="Weight of the consistency loss.")

    title = "Mean Teacher"
    summary = "The student agrees with an average of its own past."
    idea = "Keep a moving average of the network, and ask the network to agree with it."
    formula = r"L = L_s + \lambda \lVert p(x) - p'(x') \rVert^2"
    paper = "Tarvainen & Valpola 2017, arXiv:1703.01780"
    views: ClassVar[dict[str, dict[str, Any]]] = {"weak": {"name": "weak"}, "other": {"name": "weak", "translate": 0.2}}
    average_served = False

    def __init__(self, params: Params, backbone: Backbone, problem: TaskSpec) -> None:
        super().__init__(params, backbone, problem)
        self.teacher = frozen_copy(self.classifier)

    def served(self) -> nn.Module:
        return self.teacher

    def streams(self) -> dict[str, Stream]:
        size = self.problem.batch_size
        pair = {"weak": View("weak"), "other": View("other")}
        return {
            "labeled": Stream("labeled", size, {"weak": View("weak")}),
            "unlabeled": Stream("unlabeled", size, pair, epoch=True),
        }

    def step(self, batch: Batch, now: StepContext) -> StepResult:
        labeled, unlabeled = batch["labeled"], batch["unlabeled"]
        logits_x, logits_u = self.classifier.logits(labeled.weak, unlabeled.weak)
        with torch.no_grad(), bn_stats_frozen(self.teacher):
            (target,) = self.teacher.logits(unlabeled.other)
        loss_x = F.cross_entropy(logits_x, labeled.known_labels)
        loss_u = (logits_u.softmax(1) - target.softmax(1)).square().mean()
        weight = self.params.weight * linear_ramp(now.progress, 0.4)
        scalars = {"loss/labeled": loss_x.detach(), "loss/unlabeled": loss_u.detach()}
        return StepResult(loss_x + weight * loss_u, scalars)

    def after_update(self, batch: Batch, now: StepContext) -> None:
        ema_(self.teacher, self.classifier, min(1 - 1 / (now.step + 1), self.params.decay))
