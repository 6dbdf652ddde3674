"""fixmatch: confident predictions on weak views label the strong views."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.backbones.backbone import Backbone
from engine.config.parts import MethodParams
from engine.config.settings import param
from engine.methods.base.batch import Batch, PseudoLabels, Stream, View
from engine.methods.base.classifier_method import ClassifierMethod
from engine.methods.base.context import StepContext, TaskSpec
from engine.methods.base.method import StepResult
from engine.methods.parts.losses import masked_cross_entropy
from engine.registry import methods

ALIGNMENT_DECAY = 0.99


@methods.register
class FixMatch(ClassifierMethod):
    """FixMatch: confident weak-view predictions label the strong view (Sohn et al. 2020, arXiv:2001.07685, eq. 3 and
    4).

    Labels come from the trained network in train mode (not its average), detached, at or above the threshold. All three
    views go through one forward pass, so batch norm sees them together and moves its running statistics once, as in the
    authors' code. The unlabeled stream covers all training images, the labeled ones included. The paper's μ is 7; the
    default of 4 suits a CPU.

    With distribution alignment (section 2.5 there, after ReMixMatch, Berthelot et al. 2020, arXiv:1911.09785), the weak
    probabilities are multiplied by uniform / average and normalized before label and mask; the average moves with decay
    0.99, the papers' 0.999 or last 128 batches being horizons for runs of a million steps. The current batch is taken
    in first. Off, it is the paper's main method.
    """

    class Params(MethodParams):
        name: Literal["fixmatch"] = "fixmatch"
        threshold: float = param(
            0.95,
            ge=0,
            le=1,
            symbol="τ",
            live=True,
            role="confidence_threshold",
            help="Keep a pseudo-label only at or above this confidence.",
        )
        unlabeled_weight: float = param(
            1.0, ge=0, le=100, symbol="λ", live=True, help="Weight of the unlabeled loss beside the labeled one."
        )
        unlabeled_ratio: int = param(
            4, ge=1, le=64, symbol="μ", help="Unlabeled images in a step for each labeled one."
        )
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
    views: ClassVar[dict[str, dict[str, Any]]] = {"weak": {"name": "weak"}, "strong": {"name": "strong"}}
    headline = ("test/accuracy", "mask_rate", "pseudo_label/accuracy")
    views_caption = "The pairs it compared: the weak view gives the label, the strong view must agree"

    def __init__(self, params: Params, backbone: Backbone, problem: TaskSpec) -> None:
        super().__init__(params, backbone, problem)
        self.average: Tensor
        # [K], mean weak prediction
        self.register_buffer("average", torch.full((problem.classes,), 1 / problem.classes))

    def streams(self) -> dict[str, Stream]:
        size = self.problem.batch_size
        return {
            "labeled": Stream("labeled", size, {"weak": View("weak")}),
            "unlabeled": Stream(
                "unlabeled", size * self.params.unlabeled_ratio, {"weak": View("weak"), "strong": View("strong")}
            ),
        }

    def step(self, batch: Batch, now: StepContext) -> StepResult:
        labeled, unlabeled = batch["labeled"], batch["unlabeled"]
        logits_x, logits_w, logits_s = self.classifier.logits(labeled.weak, unlabeled.weak, unlabeled.strong)
        predictions = logits_w.detach().softmax(1)  # [U, K]
        if self.params.distribution_alignment:
            predictions = self.align(predictions)
        confidence, labels = predictions.max(1)  # [U], [U]
        used = confidence >= self.params.threshold
        loss_x = F.cross_entropy(logits_x, labeled.known_labels)  # eq. 3
        loss_u = masked_cross_entropy(logits_s, labels, used)  # eq. 4
        scalars = {"loss/labeled": loss_x.detach(), "loss/unlabeled": loss_u.detach(), "mask_rate": used.float().mean()}
        threshold = confidence.new_full(confidence.shape, self.params.threshold)
        return StepResult(
            loss_x + self.params.unlabeled_weight * loss_u,
            scalars,
            PseudoLabels(unlabeled.ids, labels, confidence, used.float(), threshold),
        )

    def align(self, predictions: Tensor) -> Tensor:
        """Take the mean of these predictions into the average, then divide by it and normalize: [U, K] to [U, K]."""
        self.average.lerp_(predictions.mean(0), 1 - ALIGNMENT_DECAY)
        aligned = predictions / self.average
        return aligned / aligned.sum(1, keepdim=True)
