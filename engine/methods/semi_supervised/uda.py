"""uda: a sharpened prediction of the weak view is what the strong view must come near to."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.config.parts import MethodParams
from engine.config.settings import param
from engine.methods.base.batch import StreamBatch
from engine.methods.base.context import StepContext
from engine.methods.parts.mixing import sharpen
from engine.methods.semi_supervised.shared_settings import confidence_threshold, unlabeled_ratio, unlabeled_weight
from engine.methods.semi_supervised.weak_strong_method import Belief, WeakStrongMethod
from engine.registry import methods

Annealing = Literal["off", "linear", "log", "exp"]


@methods.register
class UDA(WeakStrongMethod):
    """UDA: unsupervised data augmentation (Xie et al. 2020, arXiv:1904.12848, eq. 1, with confidence-based masking and
    sharpening from section 3.3).

    The mask is taken before the prediction is sharpened, and the loss is the divergence from the sharpened one,
    averaged over all rows. Training signal annealing (section 3.2 there) leaves out labeled images whose own class is
    predicted above a probability that rises from 1/K to 1; the mean is over those that stay. The authors' CIFAR-10 runs
    do without it.
    """

    class Params(MethodParams):
        name: Literal["uda"] = "uda"
        threshold: float = confidence_threshold(0.8)
        temperature: float = param(
            0.4, gt=0, le=1, symbol="T", live=True, help="Sharpens the weak view's prediction: p^(1/T), normalized."
        )
        unlabeled_weight: float = unlabeled_weight()
        unlabeled_ratio: int = unlabeled_ratio()
        annealing: Annealing = param(
            "off",
            help=(
                "Training signal annealing: how the probability rises above which a labeled image is no longer trained"
                " on."
            ),
        )

    title = "UDA"
    summary = "The strong view must come near to the weak view's sharpened prediction."
    idea = (
        "Sharpen what the network predicts for a slightly shifted image, and ask for the same probabilities on a"
        " strongly distorted version of it, wherever the prediction is confident."
    )
    formula = (
        r"L = L_s + \lambda \frac{1}{\mu B}\sum_b 1[\max q_b \geq \tau]\; KL\big(q_b^{1/T} / Z \,\Vert\, p(y \mid"
        r" A(u_b))\big)"
    )
    paper = "Xie et al. 2020, arXiv:1904.12848"

    def believe(self, logits: Tensor, unlabeled: StreamBatch, now: StepContext) -> Belief:
        self.targets = sharpen(logits.softmax(1), self.params.temperature)  # [U, K]
        confidence, labels = logits.softmax(1).max(1)
        threshold = confidence.new_full(confidence.shape, self.params.threshold)
        return Belief(labels, confidence, confidence >= threshold, threshold)

    def labeled_loss(self, logits: Tensor, labeled: StreamBatch, now: StepContext) -> Tensor:
        if self.params.annealing == "off":
            return F.cross_entropy(logits, labeled.known_labels)
        losses = F.cross_entropy(logits, labeled.known_labels, reduction="none")  # [B]
        kept = torch.exp(-losses.detach()) <= signal(self.params.annealing, now.progress, self.problem.classes)
        return (losses * kept).sum() / kept.sum().clamp_min(1)

    def unlabeled_loss(self, logits: Tensor, belief: Belief) -> Tensor:
        divergence = F.kl_div(F.log_softmax(logits.float(), 1), self.targets.float(), reduction="none").sum(1)  # [U]
        return (divergence * belief.weight).mean()


def signal(annealing: Annealing, progress: float, classes: int) -> float:
    """η: the probability of its class above which a labeled image is left out (section 3.2), 1/K at the start."""
    share = {
        "linear": progress,
        "log": 1 - math.exp(-5 * progress),
        "exp": math.exp(5 * (progress - 1)),
        "off": 1.0,
    }[annealing]
    return share * (1 - 1 / classes) + 1 / classes
