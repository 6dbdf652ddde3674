"""What FixMatch and its relatives share: a weak view predicts, and the strong view of the same image must agree."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, NamedTuple

from torch import Tensor
from torch.nn import functional as F

from engine.methods.base.batch import Batch, PseudoLabels, Stream, StreamBatch, View
from engine.methods.base.classifier_method import ClassifierMethod
from engine.methods.base.context import StepContext
from engine.methods.base.method import StepResult
from engine.methods.parts.losses import masked_cross_entropy
from engine.metrics import Metric

THRESHOLD = Metric(
    "threshold/mean",
    "Mean threshold",
    "The confidence that a prediction must reach to be used, averaged over the unlabeled images of a step.",
    better=None,
    chart="share",
    legend="threshold",
)


class Belief(NamedTuple):
    """What the weak views are taken to say. labels: int64 [U]. confidence: [U]. weight: bool or float [U] in [0, 1],
    how much each counts. threshold: [U], what each had to reach, or None.
    """

    labels: Tensor
    confidence: Tensor
    weight: Tensor
    threshold: Tensor | None = None


class WeakStrongMethod(ClassifierMethod):
    """L = L_s + λ L_u: cross-entropy of labeled images, and of strong views against what weak views predict.

    All three views go through one forward pass, so batch norm sees them together and moves its running statistics once.
    Predictions come from the trained network in train mode and are detached. The unlabeled stream covers all training
    images, the labeled ones included. Params need `unlabeled_weight` and `unlabeled_ratio`.
    """

    views: ClassVar[dict[str, dict[str, Any]]] = {"weak": {"name": "weak"}, "strong": {"name": "strong"}}
    headline = ("test/accuracy", "mask_rate", "pseudo_label/accuracy")
    views_caption = "The pairs it compared: the weak view gives the label, the strong view must agree"

    @abstractmethod
    def believe(self, logits: Tensor, unlabeled: StreamBatch, now: StepContext) -> Belief:
        """From the weak views' detached logits [U, K]. Called once a step: statistics of predictions move here."""

    def labeled_loss(self, logits: Tensor, labeled: StreamBatch, now: StepContext) -> Tensor:
        """Of the labeled images' logits [B, K]: a scalar."""
        return F.cross_entropy(logits, labeled.known_labels)

    def unlabeled_loss(self, logits: Tensor, belief: Belief) -> Tensor:
        """Of the strong views' logits [U, K]: a scalar, the mean over all rows, used or not."""
        return masked_cross_entropy(logits, belief.labels, belief.weight)

    def further_loss(self, logits: Tensor, belief: Belief) -> tuple[Tensor | None, dict[str, Tensor]]:
        """What a method adds to L, of the strong views' logits, and its own scalars."""
        return None, {}

    def streams(self) -> dict[str, Stream]:
        size = self.problem.batch_size
        pair = {"weak": View("weak"), "strong": View("strong")}
        return {
            "labeled": Stream("labeled", size, {"weak": View("weak")}),
            "unlabeled": Stream("unlabeled", size * self.params.unlabeled_ratio, pair),
        }

    def step(self, batch: Batch, now: StepContext) -> StepResult:
        labeled, unlabeled = batch["labeled"], batch["unlabeled"]
        logits_x, logits_w, logits_s = self.classifier.logits(labeled.weak, unlabeled.weak, unlabeled.strong)
        belief = self.believe(logits_w.detach(), unlabeled, now)
        loss_x = self.labeled_loss(logits_x, labeled, now)
        loss_u = self.unlabeled_loss(logits_s, belief)
        further, scalars = self.further_loss(logits_s, belief)
        loss = loss_x + self.params.unlabeled_weight * loss_u
        weight = belief.weight.float()
        return StepResult(
            loss if further is None else loss + further,
            {"loss/labeled": loss_x.detach(), "loss/unlabeled": loss_u.detach(), "mask_rate": weight.mean(), **scalars},
            PseudoLabels(unlabeled.ids, belief.labels, belief.confidence, weight, belief.threshold),
        )
