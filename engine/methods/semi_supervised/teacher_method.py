"""What Mean Teacher and its successors share: a slow copy of the classifier that gives the targets, and answers."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engine.backbones.backbone import Backbone
from engine.config.parts import MethodParams
from engine.config.settings import param
from engine.methods.base.batch import Batch
from engine.methods.base.context import StepContext, TaskSpec
from engine.methods.parts.batch_norm import bn_stats_frozen
from engine.methods.parts.ema import ema_, frozen_copy
from engine.methods.semi_supervised.consistency_method import ConsistencyMethod


class TeacherParams(MethodParams):
    """What every teacher has."""

    teacher_decay: float = param(
        0.99,
        ge=0,
        lt=1,
        symbol="α",
        advanced=True,
        help="Decay of the teacher's weights; lower in the first steps, where it is the plain average.",
    )


class TeacherMethod(ConsistencyMethod):
    """The teacher's weights are a moving average of the student's, with decay min(1 - 1/(t+1), α) as in the authors'
    code; batch norm's statistics follow in the same way. It predicts in train mode, with statistics of its own batch,
    and is what answers.
    """

    average_served = False

    def __init__(self, params: MethodParams, backbone: Backbone, problem: TaskSpec) -> None:
        super().__init__(params, backbone, problem)
        self.teacher = frozen_copy(self.classifier)

    def served(self) -> nn.Module:
        return self.teacher

    def teach(self, images: Tensor) -> Tensor:
        """The teacher's probabilities, without gradient: [U, K]."""
        with torch.no_grad(), bn_stats_frozen(self.teacher):
            (logits,) = self.teacher.logits(images)
        return logits.softmax(1)

    def after_update(self, batch: Batch, now: StepContext) -> None:
        ema_(self.teacher, self.classifier, min(1 - 1 / (now.step + 1), self.params.teacher_decay))
