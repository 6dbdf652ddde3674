"""pseudo_label: the network's own confident answers become labels for the very view that produced them."""

from __future__ import annotations

from typing import Literal

from torch.nn import functional as F

from engine.config.parts import MethodParams
from engine.config.settings import param
from engine.methods.base.batch import Batch, PseudoLabels, Stream, View
from engine.methods.base.classifier_method import ClassifierMethod
from engine.methods.base.context import StepContext
from engine.methods.base.method import StepResult
from engine.methods.parts.batch_norm import bn_stats_frozen
from engine.methods.parts.losses import linear_ramp, masked_cross_entropy
from engine.methods.semi_supervised.shared_settings import confidence_threshold, ramp, unlabeled_weight
from engine.registry import methods


@methods.register
class PseudoLabel(ClassifierMethod):
    """Pseudo-Label (Lee 2013) in the thresholded form that later work compares against (Oliver et al. 2018,
    arXiv:1804.09170).

    One weak view gives the target and takes the loss; only the target is detached. Rows below the threshold add nothing
    but count in the mean; a row exactly at it is used. The unlabeled weight rises linearly over the first 40 % of the
    run. The unlabeled stream covers all training images, the labeled ones included. Batch norm uses the statistics of
    each forward; its running ones move in the labeled forward only, as in the authors' code of that comparison.
    """

    class Params(MethodParams):
        name: Literal["pseudo_label"] = "pseudo_label"
        threshold: float = confidence_threshold()
        unlabeled_weight: float = unlabeled_weight()
        unlabeled_ratio: int = param(
            4,
            ge=1,
            le=64,
            symbol="μ",
            help="Unlabeled images in a step for each labeled one (the comparison above uses 1).",
        )
        ramp: float = ramp()

    title = "Pseudo-labels"
    summary = "Confident predictions become labels."
    idea = (
        "When the network is confident about an unlabeled image, treat its own prediction as the label and train on it."
    )
    formula = (
        r"L = L_s + \lambda\, r(t)\, \frac{1}{\mu B}\sum_b 1[\max q_b \geq \tau]\; H(\hat q_b,\; p(y \mid \alpha(u_b)))"
    )
    paper = "Lee 2013, Pseudo-Label; thresholded as in Oliver et al. 2018, arXiv:1804.09170"
    headline = ("test/accuracy", "mask_rate", "pseudo_label/accuracy")

    def streams(self) -> dict[str, Stream]:
        size = self.problem.batch_size
        return {
            "labeled": Stream("labeled", size, {"weak": View("weak")}),
            "unlabeled": Stream("unlabeled", size * self.params.unlabeled_ratio, {"weak": View("weak")}),
        }

    def step(self, batch: Batch, now: StepContext) -> StepResult:
        labeled, unlabeled = batch["labeled"], batch["unlabeled"]
        (logits_x,) = self.classifier.logits(labeled.weak)
        with bn_stats_frozen(self.classifier):
            (logits_u,) = self.classifier.logits(unlabeled.weak)
        confidence, labels = logits_u.detach().softmax(1).max(1)  # [U], [U]
        used = confidence >= self.params.threshold
        loss_x = F.cross_entropy(logits_x, labeled.known_labels)
        loss_u = masked_cross_entropy(logits_u, labels, used)
        loss = loss_x + self.params.unlabeled_weight * linear_ramp(now.progress, self.params.ramp) * loss_u
        scalars = {"loss/labeled": loss_x.detach(), "loss/unlabeled": loss_u.detach(), "mask_rate": used.float().mean()}
        return StepResult(
            loss,
            scalars,
            PseudoLabels(
                unlabeled.ids,
                labels,
                confidence,
                used.float(),
                confidence.new_full(confidence.shape, self.params.threshold),
            ),
        )
