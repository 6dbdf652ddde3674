"""remixmatch: MixMatch with aligned targets, strong views anchored to weak ones, and rotations to recognize."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.backbones.backbone import Backbone
from engine.config.parts import MethodParams
from engine.config.settings import param
from engine.methods.base.batch import Batch, PseudoLabels, Stream, View
from engine.methods.base.classifier_method import ClassifierMethod
from engine.methods.base.context import StepContext, TaskSpec
from engine.methods.base.method import StepResult
from engine.methods.parts.batch_norm import bn_stats_frozen
from engine.methods.parts.draws import beta, permutation
from engine.methods.parts.losses import linear_ramp, soft_cross_entropy
from engine.methods.parts.mixing import align, mix_up, sharpen
from engine.methods.parts.recent_mean import RecentMean
from engine.methods.parts.rotations import ROTATION_LOSS, TURNS, rotated
from engine.methods.semi_supervised.shared_settings import ramp, statistics_decay, unlabeled_ratio
from engine.registry import methods
from engine.to_device import to_device

RECENT_BATCHES = 128


@methods.register
class ReMixMatch(ClassifierMethod):
    """ReMixMatch (Berthelot et al. 2020, arXiv:1911.09785, algorithm 1 and eq. 1).

    The weak view's prediction is aligned from the recent average of predictions, 128 batches, to the labeled images'
    class balance, then sharpened; it is the target of the weak and of all strong views. They and the labeled images,
    strongly augmented, are mixed as in MixMatch, with cross-entropy in place of squares. Beside that, one strong view
    goes unmixed, and rotated, for a head of its own to say by how much. The weights of both unlabeled losses rise
    linearly, that of the rotation is constant, as in the authors' code. RandAugment in place of CTAugment.
    """

    class Params(MethodParams):
        name: Literal["remixmatch"] = "remixmatch"
        temperature: float = param(
            0.5, gt=0, le=1, symbol="T", live=True, help="Sharpens the weak view's prediction: p^(1/T), normalized."
        )
        mixing: float = param(
            0.75, gt=0, le=10, symbol="α", help="Beta(α, α) draws the share of each pair; small: one image dominates."
        )
        strong_views: int = param(2, ge=1, le=8, symbol="K", help="Strong views of an unlabeled image; the paper's 8.")
        unlabeled_weight: float = param(
            1.5, ge=0, le=100, symbol="λ_u", live=True, help="Weight of the mixed unlabeled images."
        )
        strong_weight: float = param(
            0.5, ge=0, le=100, symbol="λ_û", live=True, help="Weight of the strong view that is not mixed."
        )
        rotation_weight: float = param(
            0.5, ge=0, le=100, symbol="λ_r", live=True, help="Weight of recognizing rotations."
        )
        unlabeled_ratio: int = unlabeled_ratio(1)
        ramp: float = ramp()
        decay: float = statistics_decay()

    title = "ReMixMatch"
    summary = "MixMatch with aligned targets, strong views anchored to weak ones, and rotations to recognize."
    idea = (
        "Let a weak view predict, correct the prediction for classes named too often, and ask for it on several strong"
        " views, blended with other images. Recognizing rotations teaches features without any label."
    )
    formula = (
        r"q = \mathrm{Sharpen}\big(\mathrm{norm}(p(y \mid \alpha(u))\, p(y) / \tilde p(y)),\, T\big), \quad L = H(X') +"
        r" \lambda_u H(U') + \lambda_{\hat u} H(q, p(y \mid A(u))) + \lambda_r H(r, p(r \mid \mathrm{Rot}_r(A(u))))"
    )
    paper = "Berthelot et al. 2020, arXiv:1911.09785"
    views: ClassVar[dict[str, dict[str, Any]]] = {"weak": {"name": "weak"}, "strong": {"name": "strong"}}
    headline = ("test/accuracy", "loss/unlabeled", "pseudo_label/accuracy")
    views_caption = "The weak view gives the label, the strong ones must agree"
    metrics = (ROTATION_LOSS,)

    def __init__(self, params: Params, backbone: Backbone, problem: TaskSpec) -> None:
        super().__init__(params, backbone, problem)
        self.rotations = nn.Linear(backbone.feature_size, TURNS)
        self.labeled_average: Tensor
        self.register_buffer("labeled_average", torch.full((problem.classes,), 1 / problem.classes))
        self.unlabeled_average = RecentMean(RECENT_BATCHES, problem.classes)

    def streams(self) -> dict[str, Stream]:
        size = self.problem.batch_size
        strong = View("strong", count=self.params.strong_views)
        return {
            "labeled": Stream("labeled", size, {"strong": View("strong")}),
            "unlabeled": Stream(
                "unlabeled", size * self.params.unlabeled_ratio, {"weak": View("weak"), "strong": strong}
            ),
        }

    def step(self, batch: Batch, now: StepContext) -> StepResult:
        labeled, unlabeled = batch["labeled"], batch["unlabeled"]
        strong = list(unlabeled.strong)  # K of [U, C, H, W]
        with torch.no_grad(), bn_stats_frozen(self.classifier):
            (logits_w,) = self.classifier.logits(unlabeled.weak)
        given = F.one_hot(labeled.known_labels, self.problem.classes).to(logits_w.dtype)
        predictions = self.align(given, logits_w.softmax(1))
        targets = sharpen(predictions, self.params.temperature)

        images = torch.cat((labeled.strong, *strong, unlabeled.weak))
        wanted = torch.cat((given, *(targets for _ in strong), targets))
        order = permutation(len(images), now.rng("order"), images)
        share = beta(self.params.mixing, len(images), now.rng("share"), images)
        share = torch.maximum(share, 1 - share)
        mixed, wanted = mix_up(images, order, share), mix_up(wanted, order, share)
        turns = to_device(torch.randint(TURNS, (len(strong[0]),), generator=now.rng("turns")), images.device)
        logits, logits_s, logits_r = self.logits(mixed, strong[0], rotated(strong[0], turns))

        count = len(given)
        loss_x = soft_cross_entropy(logits[:count], wanted[:count])
        loss_u = soft_cross_entropy(logits[count:], wanted[count:])
        loss_s = soft_cross_entropy(logits_s, targets)
        loss_r = F.cross_entropy(logits_r, turns)
        grown = linear_ramp(now.progress, self.params.ramp)
        unlabeled_loss = self.params.unlabeled_weight * loss_u + self.params.strong_weight * loss_s
        confidence, labels = predictions.max(1)
        return StepResult(
            loss_x + grown * unlabeled_loss + self.params.rotation_weight * loss_r,
            {"loss/labeled": loss_x.detach(), "loss/unlabeled": loss_u.detach(), "loss/rotation": loss_r.detach()},
            PseudoLabels(unlabeled.ids, labels, confidence, torch.ones_like(confidence)),
        )

    def logits(self, mixed: Tensor, strong: Tensor, turned: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of one forward pass: classes of the first two, [., K], and turns of the third, [U, 4]."""
        features, logits = self.classifier(torch.cat((mixed, strong, turned)))
        first, second, _ = logits.split([len(mixed), len(strong), len(turned)])
        return first, second, self.rotations(features[-len(turned) :])

    def align(self, given: Tensor, predictions: Tensor) -> Tensor:
        """Align predictions [U, K] as the averages stand, then take them and the labels [B, K] in."""
        # The authors' 1e-6: a class that no prediction names must not divide by nothing.
        aligned = align(predictions, self.unlabeled_average() + 1e-6, self.labeled_average + 1e-6)
        self.unlabeled_average.push(predictions.mean(0))
        self.labeled_average.lerp_(given.mean(0).to(self.labeled_average.dtype), 1 - self.params.decay)
        return aligned
