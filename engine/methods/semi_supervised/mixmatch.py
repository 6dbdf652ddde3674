"""mixmatch: sharpened predictions and given labels, mixed with one another."""

from __future__ import annotations

from typing import Literal

import torch
from torch.nn import functional as F

from engine.config.parts import MethodParams
from engine.config.settings import param
from engine.methods.base.batch import Batch, PseudoLabels, Stream, View
from engine.methods.base.classifier_method import ClassifierMethod
from engine.methods.base.context import StepContext
from engine.methods.base.method import StepResult
from engine.methods.parts.batch_norm import bn_stats_frozen
from engine.methods.parts.draws import beta, permutation
from engine.methods.parts.losses import linear_ramp, soft_cross_entropy
from engine.methods.parts.mixing import mix_up, sharpen
from engine.methods.semi_supervised.shared_settings import ramp, unlabeled_ratio, unlabeled_weight
from engine.registry import methods


@methods.register
class MixMatch(ClassifierMethod):
    """MixMatch (Berthelot et al. 2019, arXiv:1905.02249, eq. 2 to 15 and algorithm 1).

    An image's target is the mean prediction over its weak views, sharpened, the same for all of them. Labeled and
    unlabeled views are mixed with a shuffle of both, each pair with a share of its own, λ' = max(λ, 1 - λ) of itself.
    The unlabeled loss is the squared difference, averaged over classes; its weight rises linearly. Targets come from a
    pass in train mode that leaves batch norm's running statistics alone; all mixed images then go through one pass.
    """

    class Params(MethodParams):
        name: Literal["mixmatch"] = "mixmatch"
        temperature: float = param(
            0.5, gt=0, le=1, symbol="T", live=True, help="Sharpens the mean prediction: p^(1/T), normalized."
        )
        mixing: float = param(
            0.75, gt=0, le=10, symbol="α", help="Beta(α, α) draws the share of each pair; small: one image dominates."
        )
        views: int = param(2, ge=1, le=8, symbol="K", help="Weak views of an unlabeled image to average over.")
        unlabeled_weight: float = unlabeled_weight(75.0, most=1000)
        unlabeled_ratio: int = unlabeled_ratio(1)
        ramp: float = ramp()

    title = "MixMatch"
    summary = "Sharpened predictions and given labels are mixed, and the network must predict the mixture."
    idea = (
        "Average the predictions for a few views of an image and sharpen them. Then blend images and targets, labeled"
        " and unlabeled alike, in pairs, and train on the blends."
    )
    formula = (
        r"q = \mathrm{Sharpen}\Big(\frac{1}{K}\sum_k p(y \mid \alpha_k(u)),\, T\Big), \quad L = \frac{1}{B}\sum H(p',"
        r" p(y \mid x')) + \lambda\, r(t)\, \frac{1}{C |U'|}\sum \lVert q' - p(y \mid u') \rVert^2"
    )
    paper = "Berthelot et al. 2019, arXiv:1905.02249"
    headline = ("test/accuracy", "loss/unlabeled", "pseudo_label/accuracy")
    views_caption = "The views whose predictions were averaged"

    def streams(self) -> dict[str, Stream]:
        size = self.problem.batch_size
        return {
            "labeled": Stream("labeled", size, {"weak": View("weak")}),
            "unlabeled": Stream(
                "unlabeled", size * self.params.unlabeled_ratio, {"weak": View("weak", count=self.params.views)}
            ),
        }

    def step(self, batch: Batch, now: StepContext) -> StepResult:
        labeled, unlabeled = batch["labeled"], batch["unlabeled"]
        views = list(unlabeled.weak)  # K of [U, ...]
        with torch.no_grad(), bn_stats_frozen(self.classifier):
            predictions = torch.stack(self.classifier.logits(*views)).softmax(2).mean(0)  # [U, K]
        targets = sharpen(predictions, self.params.temperature)
        given = F.one_hot(labeled.known_labels, self.problem.classes).to(targets.dtype)
        images = torch.cat((labeled.weak, *views))
        wanted = torch.cat((given, *(targets for _ in views)))
        order = permutation(len(images), now.rng("order"), images)
        share = beta(self.params.mixing, len(images), now.rng("share"), images)
        share = torch.maximum(share, 1 - share)
        mixed, wanted = mix_up(images, order, share), mix_up(wanted, order, share)
        (logits,) = self.classifier.logits(mixed)
        count = len(given)
        loss_x = soft_cross_entropy(logits[:count], wanted[:count])
        loss_u = (logits[count:].softmax(1) - wanted[count:]).square().mean()
        weight = self.params.unlabeled_weight * linear_ramp(now.progress, self.params.ramp)
        confidence, labels = predictions.max(1)
        return StepResult(
            loss_x + weight * loss_u,
            {"loss/labeled": loss_x.detach(), "loss/unlabeled": loss_u.detach()},
            PseudoLabels(unlabeled.ids, labels, confidence, torch.ones_like(confidence)),
        )
