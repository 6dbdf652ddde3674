"""crmatch: the class must stay the same under distortions, the features must not."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from torch import nn
from torch.nn import functional as F

from engine.backbones.backbone import Backbone
from engine.config.parts import MethodParams
from engine.config.settings import param
from engine.methods.base.batch import Batch, PseudoLabels, Stream, View
from engine.methods.base.classifier_method import ClassifierMethod
from engine.methods.base.context import StepContext, TaskSpec
from engine.methods.base.method import StepResult
from engine.methods.parts.losses import masked_cross_entropy
from engine.methods.parts.networks import Head
from engine.methods.parts.rotations import ROTATION_LOSS, TURNS, rotations
from engine.methods.semi_supervised.shared_settings import confidence_threshold, unlabeled_ratio, unlabeled_weight
from engine.metrics import Metric
from engine.registry import methods

SIMILARITY = Metric(
    "similarity/views",
    "Similarity of the two views",
    "Mean cosine of the projected features of weak and strong views whose prediction is used, negative ones counted as"
    " 0: 0 where the projection tells all distortions.",
    better="lower",
    chart="share",
    legend="similarity of views",
)


@methods.register
class CRMatch(ClassifierMethod):
    """CRMatch: FixMatch with a feature distance loss and rotation prediction (Fan et al. 2021, arXiv:2112.05825).

    Consistency is asked of the classifier alone. The features of the two views of an image, projected by one linear
    layer, are pushed apart instead (FeatDistLoss): where the prediction is used, max(0, cosine) is lowered, averaged
    over all rows, with gradient through both views. All four rotations of as many weak views as there are labeled
    images are recognized by a head of two layers. All of it goes through one forward pass.

    Read in microsoft/Semi-supervised-learning: the hinge at cosine 0, the mask, the weights of 1, both heads. There the
    projection sees the map of features before it is pooled, where the network has one; here, as with transformers
    there, the features that every backbone gives. There rotations are of images drawn apart; here of the first of the
    unlabeled batch.
    """

    class Params(MethodParams):
        name: Literal["crmatch"] = "crmatch"
        threshold: float = confidence_threshold()
        unlabeled_weight: float = unlabeled_weight()
        unlabeled_ratio: int = unlabeled_ratio()
        distance_weight: float = param(
            1.0, ge=0, le=100, symbol="λ_d", live=True, help="Weight of pushing the two views' features apart."
        )
        rotation_weight: float = param(
            1.0, ge=0, le=100, symbol="λ_r", live=True, help="Weight of recognizing rotations."
        )
        projection_size: int = param(
            128, ge=2, le=8192, advanced=True, help="Dimensions in which the two views' features are compared."
        )

    title = "CRMatch"
    summary = "FixMatch whose features may, and shall, tell how an image was distorted."
    idea = (
        "Ask for the same class on a strongly distorted version of an image, but push the features of the two versions"
        " apart: the network must know the distortion to see past it."
    )
    formula = (
        r"L = L_s + \lambda L_u + \lambda_d \frac{1}{\mu B}\sum_b 1[\max q_b \geq \tau]\; \max\big(0, \cos(z(\alpha"
        r"(u_b)), z(A(u_b)))\big) + \lambda_r H(r,\; p(r \mid \mathrm{Rot}_r(\alpha(u))))"
    )
    paper = "Fan et al. 2021, arXiv:2112.05825"
    views: ClassVar[dict[str, dict[str, Any]]] = {"weak": {"name": "weak"}, "strong": {"name": "strong"}}
    headline = ("test/accuracy", "mask_rate", "pseudo_label/accuracy")
    views_caption = "The pairs it compared: their class must agree, their features must differ"
    metrics = (SIMILARITY, ROTATION_LOSS)

    def __init__(self, params: Params, backbone: Backbone, problem: TaskSpec) -> None:
        super().__init__(params, backbone, problem)
        width = backbone.feature_size
        self.projection = Head(nn.Linear(width, self.params.projection_size))
        self.rotations = Head(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, TURNS))

    def projection_head(self) -> nn.Module:
        return self.projection

    def streams(self) -> dict[str, Stream]:
        size = self.problem.batch_size
        pair = {"weak": View("weak"), "strong": View("strong")}
        return {
            "labeled": Stream("labeled", size, {"weak": View("weak")}),
            "unlabeled": Stream("unlabeled", size * self.params.unlabeled_ratio, pair),
        }

    def step(self, batch: Batch, now: StepContext) -> StepResult:
        labeled, unlabeled = batch["labeled"], batch["unlabeled"]
        turned = rotations(unlabeled.weak[: len(labeled.weak)])  # [4, B, C, H, W]
        views = (labeled.weak, unlabeled.weak, unlabeled.strong, turned.flatten(0, 1))
        sizes = [len(view) for view in views]
        features, logits = self.classifier(torch.cat(views))
        _, features_w, features_s, features_r = features.split(sizes)
        logits_x, logits_w, logits_s, _ = logits.split(sizes)
        turns = torch.arange(TURNS, device=features.device).repeat_interleave(turned.shape[1])

        confidence, labels = logits_w.detach().softmax(1).max(1)
        used = confidence >= self.params.threshold
        loss_x = F.cross_entropy(logits_x, labeled.known_labels)
        loss_u = masked_cross_entropy(logits_s, labels, used)
        similarity = F.cosine_similarity(self.projection(features_w), self.projection(features_s)).clamp_min(0)  # [U]
        loss_d = (similarity * used).mean()
        loss_r = F.cross_entropy(self.rotations(features_r), turns)
        return StepResult(
            loss_x
            + self.params.unlabeled_weight * loss_u
            + self.params.distance_weight * loss_d
            + self.params.rotation_weight * loss_r,
            {
                "loss/labeled": loss_x.detach(),
                "loss/unlabeled": loss_u.detach(),
                "loss/rotation": loss_r.detach(),
                "similarity/views": (similarity.detach() * used).sum() / used.sum().clamp_min(1),
                "mask_rate": used.float().mean(),
            },
            PseudoLabels(
                unlabeled.ids,
                labels,
                confidence,
                used.float(),
                torch.full_like(confidence, self.params.threshold),
            ),
        )
