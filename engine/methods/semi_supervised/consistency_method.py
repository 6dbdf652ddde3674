"""What the consistency methods before pseudo-labels share: a labeled loss, and a weight that grows on an unlabeled
one.
"""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor
from torch.nn import functional as F

from engine.methods.base.batch import Batch, PseudoLabels, Stream, StreamBatch, View
from engine.methods.base.classifier_method import ClassifierMethod
from engine.methods.base.context import StepContext
from engine.methods.base.method import StepResult
from engine.methods.parts.batch_norm import bn_stats_frozen
from engine.methods.parts.ramps import sigmoid_ramp


class ConsistencyMethod(ClassifierMethod):
    """L = L_s + λ w(t) L_u with w(t) = exp(-5 (1 - t/T)²) up to the share T of the run (Laine & Aila 2017,
    arXiv:1610.02242, appendix A).

    Batch norm normalizes every forward pass with its own batch, but its running statistics move in the labeled one
    only, as in the comparison of Oliver et al. 2018 (arXiv:1804.09170). The unlabeled stream covers all training
    images. Params need `unlabeled_weight`, `unlabeled_ratio` and `ramp`.
    """

    headline = ("test/accuracy", "loss/unlabeled", "pseudo_label/accuracy")
    unlabeled_views = 1

    @abstractmethod
    def consistency(self, unlabeled: StreamBatch, now: StepContext) -> tuple[Tensor, Tensor]:
        """L_u, a scalar, and the detached probabilities [U, K] that it was about."""

    def streams(self) -> dict[str, Stream]:
        size = self.problem.batch_size
        count = self.unlabeled_views if self.unlabeled_views > 1 else None
        return {
            "labeled": Stream("labeled", size, {"weak": View("weak")}),
            "unlabeled": Stream(
                "unlabeled", size * self.params.unlabeled_ratio, {"weak": View("weak", count=count)}, epoch=True
            ),
        }

    def step(self, batch: Batch, now: StepContext) -> StepResult:
        labeled, unlabeled = batch["labeled"], batch["unlabeled"]
        (logits_x,) = self.classifier.logits(labeled.weak)
        loss_x = F.cross_entropy(logits_x, labeled.known_labels)
        with bn_stats_frozen(self.classifier):
            loss_u, probabilities = self.consistency(unlabeled, now)
        weight = self.params.unlabeled_weight * sigmoid_ramp(now.progress, self.params.ramp)
        confidence, labels = probabilities.max(1)
        return StepResult(
            loss_x + weight * loss_u,
            {"loss/labeled": loss_x.detach(), "loss/unlabeled": loss_u.detach()},
            PseudoLabels(unlabeled.ids, labels, confidence, confidence.new_ones(confidence.shape)),
        )
