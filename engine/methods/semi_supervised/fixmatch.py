"""fixmatch: confident predictions on weak views label the strong views."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from engine.backbones.backbone import Backbone
from engine.config.parts import MethodParams
from engine.config.settings import param
from engine.methods.base.batch import StreamBatch
from engine.methods.base.context import StepContext, TaskSpec
from engine.methods.semi_supervised.shared_settings import confidence_threshold, unlabeled_ratio, unlabeled_weight
from engine.methods.semi_supervised.weak_strong_method import Belief, WeakStrongMethod
from engine.registry import methods

ALIGNMENT_DECAY = 0.99


@methods.register
class FixMatch(WeakStrongMethod):
    """FixMatch: confident weak-view predictions label the strong view (Sohn et al. 2020, arXiv:2001.07685, eq. 3 and
    4).

    Labels come from the trained network in train mode (not its average), detached, at or above the threshold. All three
    views go through one forward pass, so batch norm sees them together, as in the authors' code. The paper's μ is 7;
    the default of 4 suits a CPU.

    With distribution alignment (section 2.5 there, after ReMixMatch, Berthelot et al. 2020, arXiv:1911.09785), the weak
    probabilities are multiplied by uniform / average and normalized before label and mask; the average moves with decay
    0.99, the papers' 0.999 or last 128 batches being horizons for runs of a million steps. The current batch is taken
    in first. Off, it is the paper's main method.
    """

    class Params(MethodParams):
        name: Literal["fixmatch"] = "fixmatch"
        threshold: float = confidence_threshold()
        unlabeled_weight: float = unlabeled_weight()
        unlabeled_ratio: int = unlabeled_ratio()
        distribution_alignment: bool = param(
            False,
            help=(
                "Before the threshold, reweight predictions so that their average over images is uniform over the"
                " classes. The paper's option; it assumes that classes are equally frequent."
            ),
        )

    title = "FixMatch"
    summary = "Confident predictions on weak views label the strong views."
    idea = (
        "Predict a slightly shifted image; if the prediction is confident, ask for the same class on a strongly"
        " distorted version of it."
    )
    formula = r"L = L_s + \lambda \frac{1}{\mu B}\sum_b 1[\max q_b \geq \tau]\; H(\hat q_b,\; p(y \mid A(u_b)))"
    paper = "Sohn et al. 2020, arXiv:2001.07685"

    def __init__(self, params: Params, backbone: Backbone, problem: TaskSpec) -> None:
        super().__init__(params, backbone, problem)
        self.average: Tensor
        # [K], mean weak prediction
        self.register_buffer("average", torch.full((problem.classes,), 1 / problem.classes))

    def believe(self, logits: Tensor, unlabeled: StreamBatch, now: StepContext) -> Belief:
        predictions = logits.softmax(1)  # [U, K]
        if self.params.distribution_alignment:
            predictions = self.align(predictions)
        confidence, labels = predictions.max(1)  # [U], [U]
        threshold = confidence.new_full(confidence.shape, self.params.threshold)
        return Belief(labels, confidence, confidence >= self.params.threshold, threshold)

    def align(self, predictions: Tensor) -> Tensor:
        """Take the mean of these predictions into the average, then divide by it and normalize: [U, K] to [U, K]."""
        self.average.lerp_(predictions.mean(0), 1 - ALIGNMENT_DECAY)
        aligned = predictions / self.average
        return aligned / aligned.sum(1, keepdim=True)
