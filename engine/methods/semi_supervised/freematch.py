"""freematch: thresholds that follow from the predictions alone."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.backbones.backbone import Backbone
from engine.config.parts import MethodParams
from engine.config.settings import param
from engine.methods.base.batch import StreamBatch
from engine.methods.base.context import StepContext, TaskSpec
from engine.methods.semi_supervised.shared_settings import statistics_decay, unlabeled_ratio, unlabeled_weight
from engine.methods.semi_supervised.weak_strong_method import THRESHOLD, Belief, WeakStrongMethod
from engine.metrics import Metric
from engine.registry import methods

FAIRNESS = Metric(
    "loss/fairness",
    "Fairness term",
    "Self-adaptive fairness of the strong predictions that are used. It is negative by construction.",
    unit="nats",
    better=None,
    chart="value",
)


@methods.register
class FreeMatch(WeakStrongMethod):
    """FreeMatch: self-adaptive thresholds and fairness (Wang et al. 2023, arXiv:2205.07246, eq. 5 to 11).

    The global threshold is a moving average of the mean confidence, starting at 1/K; a class's own is lowered by how
    rarely it is predicted, against the class predicted most. This step's predictions are taken in first. The fairness
    term compares the averaged prediction and histogram with those of the strong views in use; its sign is the authors',
    and the division by the histogram makes it raise classes that are predicted too rarely. No threshold is to be set.
    """

    class Params(MethodParams):
        name: Literal["freematch"] = "freematch"
        unlabeled_weight: float = unlabeled_weight()
        unlabeled_ratio: int = unlabeled_ratio()
        fairness_weight: float = param(0.01, ge=0, le=10, symbol="w_f", live=True, help="Weight of the fairness term.")
        decay: float = statistics_decay()

    title = "FreeMatch"
    summary = "The threshold follows the network's own confidence, for each class: none is to be set."
    idea = (
        "Begin with a low threshold and let it rise with the network's mean confidence. Classes predicted rarely get a"
        " lower one."
    )
    formula = (
        r"\tau_t = m\,\tau_{t-1} + (1-m)\,\overline{\max q}, \quad \tau_t(c) = \tau_t\, \frac{\tilde p_t(c)}{\max_k"
        r" \tilde p_t(k)}, \quad L = L_s + \lambda L_u + w_f \sum_c A_c \log B_c"
    )
    paper = "Wang et al. 2023, arXiv:2205.07246"
    metrics = (THRESHOLD, FAIRNESS)

    def __init__(self, params: Params, backbone: Backbone, problem: TaskSpec) -> None:
        super().__init__(params, backbone, problem)
        uniform = torch.full((problem.classes,), 1 / problem.classes)
        self.level: Tensor
        self.average: Tensor
        self.histogram: Tensor
        self.register_buffer("level", torch.tensor(1 / problem.classes))  # τ, of all classes
        self.register_buffer("average", uniform.clone())  # [K], mean prediction
        self.register_buffer("histogram", uniform.clone())  # [K], shares of the predicted classes

    def believe(self, logits: Tensor, unlabeled: StreamBatch, now: StepContext) -> Belief:
        predictions = logits.softmax(1)
        confidence, labels = predictions.max(1)
        share = torch.bincount(labels, minlength=self.problem.classes) / len(labels)
        step = 1 - self.params.decay
        self.level.lerp_(confidence.mean().to(self.level.dtype), step)
        self.average.lerp_(predictions.mean(0).to(self.average.dtype), step)
        self.histogram.lerp_(share.to(self.histogram.dtype), step)
        threshold = (self.level * self.average / self.average.max()).to(confidence.dtype)[labels]
        return Belief(labels, confidence, confidence >= threshold, threshold)

    def further_loss(self, logits: Tensor, belief: Belief) -> tuple[Tensor, dict[str, Tensor]]:
        assert belief.threshold is not None
        term = self.fairness(logits, belief.weight)
        scalars = {"threshold/mean": belief.threshold.mean(), "loss/fairness": term.detach()}
        return self.params.fairness_weight * term, scalars

    def fairness(self, logits: Tensor, used: Tensor) -> Tensor:
        """Σ A log B over classes (eq. 9 to 11) of the logits [U, K] that are used, bool [U]. 0, without gradient, where
        none is.
        """
        predictions = logits.softmax(1) * used[:, None]  # a row that is not used adds nothing
        count = used.sum().clamp_min(1)
        chosen = F.one_hot(logits.argmax(1), self.problem.classes) * used[:, None]
        expected = _over(self.average, self.histogram)
        seen = _over(predictions.sum(0) / count, chosen.sum(0) / count)
        return torch.where(used.any(), (expected * (seen + 1e-12).log()).sum(), 0.0)


def _over(average: Tensor, histogram: Tensor) -> Tensor:
    """average / histogram, normalized to 1, [K]; 0 where the histogram is."""
    ratio = average * torch.where(histogram > 0, 1 / histogram.clamp_min(1e-30), 0.0)
    return ratio / ratio.sum().clamp_min(1e-30)
