"""softmatch: no threshold, but a weight that falls off smoothly below the usual confidence."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from engine.backbones.backbone import Backbone
from engine.config.parts import MethodParams
from engine.config.settings import param
from engine.methods.base.batch import StreamBatch
from engine.methods.base.context import StepContext, TaskSpec
from engine.methods.parts.mixing import align
from engine.methods.semi_supervised.shared_settings import statistics_decay, unlabeled_ratio, unlabeled_weight
from engine.methods.semi_supervised.weak_strong_method import Belief, WeakStrongMethod
from engine.registry import methods


@methods.register
class SoftMatch(WeakStrongMethod):
    """SoftMatch: a truncated Gaussian weight on every pseudo-label (Chen et al. 2023, arXiv:2301.10921, eq. 7 to 11 and
    algorithm 1).

    μ and σ² are moving averages of the mean and the unbiased variance of a batch's confidences, taken before alignment
    as in the paper; this step's are taken in first. The aligned confidence decides the weight, the raw prediction the
    label. Alignment is toward equally frequent classes.
    """

    class Params(MethodParams):
        name: Literal["softmatch"] = "softmatch"
        unlabeled_weight: float = unlabeled_weight()
        unlabeled_ratio: int = unlabeled_ratio()
        width: float = param(
            2.0,
            gt=0,
            le=100,
            symbol="n",
            live=True,
            help="Divides σ: the larger, the faster a weight falls off below the mean confidence.",
        )
        distribution_alignment: bool = param(
            True,
            help="Weigh by confidences whose average over images is uniform over the classes (uniform alignment).",
        )
        decay: float = statistics_decay()

    title = "SoftMatch"
    summary = "Every prediction counts, the less the further its confidence is below the usual one."
    idea = (
        "Instead of a threshold, follow the mean and spread of the network's confidence: at or above the mean a"
        " prediction counts fully, below it less and less."
    )
    formula = (
        r"\lambda_b = \exp\!\Big(-\frac{\min(\max q_b - \mu_t, 0)^2}{2 \sigma_t^2 / n^2}\Big), \qquad L = L_s +"
        r" \lambda\, \frac{1}{\mu B}\sum_b \lambda_b\, H(\hat q_b,\; p(y \mid A(u_b)))"
    )
    paper = "Chen et al. 2023, arXiv:2301.10921"

    def __init__(self, params: Params, backbone: Backbone, problem: TaskSpec) -> None:
        super().__init__(params, backbone, problem)
        self.mean: Tensor
        self.variance: Tensor
        self.average: Tensor
        self.register_buffer("mean", torch.tensor(1 / problem.classes))
        self.register_buffer("variance", torch.tensor(1.0))
        self.register_buffer("average", torch.full((problem.classes,), 1 / problem.classes))  # [K], mean prediction

    def believe(self, logits: Tensor, unlabeled: StreamBatch, now: StepContext) -> Belief:
        predictions = logits.softmax(1)
        confidence, labels = predictions.max(1)
        step = 1 - self.params.decay
        self.mean.lerp_(confidence.mean().to(self.mean.dtype), step)
        if len(confidence) > 1:  # one image has no spread
            self.variance.lerp_(confidence.var().to(self.variance.dtype), step)
        self.average.lerp_(predictions.mean(0).to(self.average.dtype), step)
        if self.params.distribution_alignment:
            confidence = align(predictions, self.average.to(predictions.dtype)).amax(1)
        below = (confidence - self.mean).clamp_max(0)
        weight = torch.exp(-below.square() * self.params.width**2 / (2 * self.variance))
        return Belief(labels, confidence, weight)
