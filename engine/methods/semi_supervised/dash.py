"""dash: a prediction is used while its loss is below a threshold that falls from the loss on labeled images."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.backbones.backbone import Backbone
from engine.config.parts import MethodParams
from engine.config.settings import param
from engine.methods.base.batch import StreamBatch
from engine.methods.base.context import StepContext, TaskSpec
from engine.methods.parts.memory_table import scatter_last_
from engine.methods.parts.mixing import sharpen
from engine.methods.semi_supervised.shared_settings import unlabeled_ratio, unlabeled_weight
from engine.methods.semi_supervised.weak_strong_method import THRESHOLD, Belief, WeakStrongMethod
from engine.metrics import Metric
from engine.registry import methods

LOSS_THRESHOLD = Metric(
    "threshold/loss",
    "Loss threshold",
    "The loss that a prediction may have at most to be used; 0 during the warm-up, which uses none.",
    unit="nats",
    better=None,
    chart="value",
)


@methods.register
class Dash(WeakStrongMethod):
    """Dash: dynamic thresholding (Xu et al. 2021, arXiv:2109.00650, algorithm 1 and its threshold, ρ_t = C γ^-(t-1)
    ρ̂).

    The warm-up trains on labels alone. ρ̂ is the mean loss over the labeled images at its end, each counted as it was
    when last seen. Then a weak view's prediction is used if its loss against its own arg max, -log of its confidence,
    is at most ρ_t: the threshold on confidence is exp(-ρ_t). t counts stretches of the run, the authors' nine of 1,024
    passes, and ρ_t stops at a minimum, whose 0.05 is a confidence of 0.951. Until it is reached, labels are soft and
    sharpened, from there on one-hot.

    Read in the authors' code (idstcv/Dash): γ, minimum, T, stretches, soft before hard, the weak view's own loss. There
    ρ̂ is the mean loss of unlabeled images, the warm-up trains on these too, and the loss is the mean over the used rows
    times 0.9; here it is the mean over all, as in FixMatch and USB. USB takes ρ̂ from the images it evaluates on, which
    are test images, and compares the loss against the sharpened prediction.
    """

    class Params(MethodParams):
        name: Literal["dash"] = "dash"
        unlabeled_weight: float = unlabeled_weight()
        unlabeled_ratio: int = unlabeled_ratio()
        warmup: float = param(
            0.02, gt=0, lt=1, help="Share of the run in which only labels are learned; the authors' 0.01 of a long run."
        )
        scale: float = param(
            1.0001, ge=1, le=100, symbol="C", advanced=True, help="Factor of the first threshold, above 1."
        )
        fall: float = param(
            1.27, ge=1, le=100, symbol="γ", help="By what the threshold is divided at the end of a stretch."
        )
        stretch: float = param(
            0.03, gt=0, le=1, advanced=True, help="Share of the run after which the threshold falls once more."
        )
        least: float = param(
            0.05,
            gt=0,
            le=10,
            symbol="ρ_min",
            live=True,
            help="The threshold falls no further: losses up to this are used, so confidences from exp(-ρ_min).",
        )
        temperature: float = param(
            0.5,
            gt=0,
            le=1,
            symbol="T",
            live=True,
            help="Sharpens soft pseudo-labels, p^(1/T) normalized, until the threshold is at its minimum.",
        )

    title = "Dash"
    summary = "The threshold begins at the loss on labeled images and falls: fewer and surer predictions are used."
    idea = (
        "Train on the labels first. Then use a prediction if its loss is no larger than that of labeled images, and let"
        " this limit fall: at first many predictions count, in the end only the confident ones."
    )
    formula = (
        r"\rho_t = \max\big(C\, \gamma^{-(t-1)} \hat\rho,\; \rho_{\min}\big), \qquad L_u = \frac{1}{\mu B}\sum_b"
        r" 1[-\log \max q_b \leq \rho_t]\; H\big(q_b^{1/T} / Z,\; p(y \mid A(u_b))\big)"
    )
    paper = "Xu et al. 2021, arXiv:2109.00650"
    metrics = (THRESHOLD, LOSS_THRESHOLD)

    params: Params

    def __init__(self, params: Params, backbone: Backbone, problem: TaskSpec) -> None:
        super().__init__(params, backbone, problem)
        self.losses: Tensor
        # By row of the labeled images: the loss when last seen in the warm-up, -1 before.
        self.register_buffer("losses", torch.full((problem.counts.get("labeled", 0),), -1.0))

    def warmup_steps(self, now: StepContext) -> int:
        """At least one: without it no labeled loss is known."""
        return max(1, math.ceil(self.params.warmup * now.steps))

    def threshold(self, now: StepContext) -> Tensor:
        """ρ_t, 0-d."""
        seen = self.losses >= 0
        estimate = (self.losses * seen).sum() / seen.sum().clamp_min(1)
        # A boundary belongs to the stretch that begins there, whatever the division makes of it.
        falls = int((now.step - self.warmup_steps(now)) / (self.params.stretch * now.steps) + 1e-9)
        limit: Tensor = self.params.scale * self.params.fall**-falls * estimate
        return limit.clamp_min(self.params.least)

    def believe(self, logits: Tensor, unlabeled: StreamBatch, now: StepContext) -> Belief:
        predictions = logits.softmax(1)  # [U, K]
        confidence, labels = predictions.max(1)
        loss = -F.log_softmax(logits.float(), 1).amax(1)  # [U], of a prediction against its own arg max
        selects = now.step >= self.warmup_steps(now)
        limit = self.threshold(now).to(loss.dtype) if selects else torch.zeros_like(loss[0])
        hard = F.one_hot(labels, self.problem.classes).to(predictions.dtype)
        self.targets = torch.where(limit > self.params.least, sharpen(predictions, self.params.temperature), hard)
        # A loss of 0 would reach even the warm-up's limit.
        used = (loss <= limit) & (limit > 0)
        return Belief(labels, confidence, used, torch.exp(-limit).to(confidence.dtype).expand_as(confidence))

    def labeled_loss(self, logits: Tensor, labeled: StreamBatch, now: StepContext) -> Tensor:
        losses = F.cross_entropy(logits, labeled.known_labels, reduction="none")
        if now.step < self.warmup_steps(now):
            scatter_last_(self.losses, labeled.rows, losses.detach())
        return losses.mean()

    def unlabeled_loss(self, logits: Tensor, belief: Belief) -> Tensor:
        losses = -(self.targets * F.log_softmax(logits.float(), 1)).sum(1)  # [U]
        return (losses * belief.weight).mean()

    def further_loss(self, logits: Tensor, belief: Belief) -> tuple[None, dict[str, Tensor]]:
        assert belief.threshold is not None
        share = belief.threshold.mean()
        return None, {"threshold/mean": share, "threshold/loss": -share.log()}
