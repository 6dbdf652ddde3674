"""vat: the smallest push that changes a prediction most must change it little."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.config.parts import MethodParams
from engine.config.settings import param
from engine.methods.base.batch import StreamBatch
from engine.methods.base.context import StepContext
from engine.methods.parts.draws import normal
from engine.methods.semi_supervised.consistency_method import ConsistencyMethod
from engine.methods.semi_supervised.shared_settings import ramp, unlabeled_ratio, unlabeled_weight
from engine.registry import methods


@methods.register
class VAT(ConsistencyMethod):
    """Virtual adversarial training (Miyato et al. 2018, arXiv:1704.03976, eq. 5 to 12 and algorithm 1).

    The direction is found by power iteration on the divergence at a small step ξ from the image; the prediction there
    moves, the one at the image is fixed. ξ is 0.01 of length: the authors' 1e-6 is below what float32 resolves in a
    difference of probabilities. Entropy minimization beside it is the paper's VAT+EntMin; 0 leaves it out.
    """

    class Params(MethodParams):
        name: Literal["vat"] = "vat"
        radius: float = param(
            1.0,
            gt=0,
            le=1000,
            symbol="ε",
            live=True,
            help="Length of the push, over all pixels of an image, each from 0 to 1.",
        )
        iterations: int = param(1, ge=1, le=10, symbol="K", help="Power iterations for its direction.")
        step: float = param(
            0.01, gt=0, le=10, symbol="ξ", advanced=True, help="Length of the trial step that finds the direction."
        )
        entropy_weight: float = param(
            0.06, ge=0, le=10, live=True, help="Weight of the predictions' entropy, which is brought down beside it."
        )
        unlabeled_weight: float = unlabeled_weight(0.3)
        unlabeled_ratio: int = unlabeled_ratio(1)
        ramp: float = ramp()

    title = "VAT"
    summary = "The push that would change a prediction most must change it little."
    idea = (
        "Find the small change of an image's pixels that moves the prediction most, and teach the network to predict"
        " the same after it."
    )
    formula = (
        r"r = \varepsilon\, \bar g, \; g = \nabla_d KL(p(y \mid u) \,\Vert\, p(y \mid u + \xi d)), \quad L = L_s +"
        r" \lambda\, w(t)\, KL(p(y \mid u) \,\Vert\, p(y \mid u + r))"
    )
    paper = "Miyato et al. 2018, arXiv:1704.03976"

    def consistency(self, unlabeled: StreamBatch, now: StepContext) -> tuple[Tensor, Tensor]:
        images = unlabeled.weak
        (logits,) = self.classifier.logits(images)
        predictions = logits.detach().softmax(1)
        direction = _unit(normal(images, now.rng("direction")))
        for _ in range(self.params.iterations):
            direction.requires_grad_()
            (moved,) = self.classifier.logits(images + self.params.step * direction)
            (gradient,) = torch.autograd.grad(_divergence(predictions, moved), direction)
            direction = _unit(gradient)
        (moved,) = self.classifier.logits(images + self.params.radius * direction)
        loss = _divergence(predictions, moved)
        if self.params.entropy_weight:
            entropy = -(logits.softmax(1) * logits.log_softmax(1)).sum(1).mean()
            loss = loss + self.params.entropy_weight / max(self.params.unlabeled_weight, 1e-12) * entropy
        return loss, predictions


def _divergence(predictions: Tensor, logits: Tensor) -> Tensor:
    """Mean KL(p ‖ softmax(logits)) over rows."""
    return F.kl_div(logits.float().log_softmax(1), predictions.float(), reduction="batchmean")


def _unit(rows: Tensor) -> Tensor:
    """Each image's [C, H, W] to length 1; what has none stays 0."""
    return F.normalize(rows.flatten(1)).view_as(rows)
