"""adamatch: predictions follow the labeled images' own distribution and confidence."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.backbones.backbone import Backbone
from engine.config.parts import MethodParams
from engine.methods.base.batch import Batch, PseudoLabels, Stream, View
from engine.methods.base.classifier_method import ClassifierMethod
from engine.methods.base.context import StepContext, TaskSpec
from engine.methods.base.method import StepResult
from engine.methods.parts.batch_norm import bn_stats_frozen
from engine.methods.parts.draws import uniform
from engine.methods.parts.losses import masked_cross_entropy
from engine.methods.parts.mixing import align
from engine.methods.parts.ramps import cosine_ramp
from engine.methods.parts.recent_mean import RecentMean
from engine.methods.semi_supervised.shared_settings import (
    confidence_threshold,
    ramp,
    statistics_decay,
    unlabeled_ratio,
    unlabeled_weight,
)
from engine.methods.semi_supervised.weak_strong_method import THRESHOLD
from engine.registry import methods

RECENT_BATCHES = 128


@methods.register
class AdaMatch(ClassifierMethod):
    """AdaMatch, for labeled and unlabeled images of one kind (Berthelot et al. 2022, arXiv:2106.04732, section 3), as
    in the authors' code.

    Labeled images are seen weakly and strongly augmented. Their logits are drawn at random between those of two forward
    passes, one beside the unlabeled images and one alone, which leaves batch norm's running statistics as they were
    (random logit interpolation). Weak predictions are aligned from the unlabeled images' recent average, of 128
    batches, to the labeled images' moving one. The threshold is τ times the labeled images' mean confidence in this
    step. λ rises from 0 along a half cosine, over half the run.
    """

    class Params(MethodParams):
        name: Literal["adamatch"] = "adamatch"
        threshold: float = confidence_threshold(0.9)
        unlabeled_weight: float = unlabeled_weight()
        unlabeled_ratio: int = unlabeled_ratio(3)
        ramp: float = ramp(0.5)
        decay: float = statistics_decay()

    title = "AdaMatch"
    summary = "The threshold is relative to the confidence on labeled images, whose class balance predictions follow."
    idea = (
        "Bring the predictions to the class balance seen on labeled images, and keep those that are nearly as confident"
        " as predictions of labeled images are."
    )
    formula = (
        r"\tilde q = \mathrm{norm}\!\Big(q\, \frac{E[p_x]}{E[q]}\Big), \quad c_\tau = \tau\, \frac{1}{B}\sum_b \max"
        r" p_{x_b}, \quad L = L_s + \lambda\,\mu(t)\, \frac{1}{\mu B}\sum_b 1[\max \tilde q_b \geq c_\tau]\; H(\hat"
        r" q_b, p(y \mid A(u_b)))"
    )
    paper = "Berthelot et al. 2022, arXiv:2106.04732"
    views: ClassVar[dict[str, dict[str, Any]]] = {"weak": {"name": "weak"}, "strong": {"name": "strong"}}
    headline = ("test/accuracy", "mask_rate", "pseudo_label/accuracy")
    views_caption = "The pairs it compared: the weak view gives the label, the strong view must agree"
    metrics = (THRESHOLD,)

    def __init__(self, params: Params, backbone: Backbone, problem: TaskSpec) -> None:
        super().__init__(params, backbone, problem)
        self.labeled_average: Tensor
        self.register_buffer("labeled_average", torch.full((problem.classes,), 1 / problem.classes))
        self.unlabeled_average = RecentMean(RECENT_BATCHES, problem.classes)

    def streams(self) -> dict[str, Stream]:
        size = self.problem.batch_size
        pair = {"weak": View("weak"), "strong": View("strong")}
        return {
            "labeled": Stream("labeled", size, pair),
            "unlabeled": Stream("unlabeled", size * self.params.unlabeled_ratio, pair),
        }

    def step(self, batch: Batch, now: StepContext) -> StepResult:
        labeled, unlabeled = batch["labeled"], batch["unlabeled"]
        with bn_stats_frozen(self.classifier):
            alone = torch.cat(self.classifier.logits(labeled.weak, labeled.strong))  # [2B, K]
        *beside, logits_w, logits_s = self.classifier.logits(
            labeled.weak, labeled.strong, unlabeled.weak, unlabeled.strong
        )
        logits_x = torch.lerp(torch.cat(beside), alone, uniform(alone, now.rng("interpolation")))
        predictions_x = logits_x.detach().chunk(2)[0].softmax(1)  # of the weak views
        threshold = self.params.threshold * predictions_x.max(1).values.mean()
        predictions = self.align(predictions_x, logits_w.detach().softmax(1))
        confidence, labels = predictions.max(1)
        used = confidence >= threshold
        loss_x = F.cross_entropy(logits_x, labeled.known_labels.repeat(2))
        loss_u = masked_cross_entropy(logits_s, labels, used)
        weight = self.params.unlabeled_weight * cosine_ramp(now.progress, self.params.ramp)
        return StepResult(
            loss_x + weight * loss_u,
            {
                "loss/labeled": loss_x.detach(),
                "loss/unlabeled": loss_u.detach(),
                "mask_rate": used.float().mean(),
                "threshold/mean": threshold,
            },
            PseudoLabels(unlabeled.ids, labels, confidence, used.float(), threshold.expand_as(confidence)),
        )

    def align(self, labeled: Tensor, unlabeled: Tensor) -> Tensor:
        """Take both batches' predictions into the averages, then align the unlabeled ones: [B, K], [U, K] to [U, K]."""
        self.labeled_average.lerp_(labeled.mean(0).to(self.labeled_average.dtype), 1 - self.params.decay)
        self.unlabeled_average.push(unlabeled.mean(0))
        # The authors' 1e-6: a class that no prediction names must not divide by nothing.
        return align(unlabeled, self.unlabeled_average() + 1e-6, self.labeled_average + 1e-6)
