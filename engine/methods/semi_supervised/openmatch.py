"""openmatch: FixMatch beside a detector of images that belong to no class."""

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
from engine.methods.parts.memory_table import scatter_last_
from engine.methods.parts.networks import Head
from engine.methods.semi_supervised.shared_settings import unlabeled_ratio, unlabeled_weight
from engine.metrics import Metric
from engine.registry import methods

DETECTOR = Metric(
    "loss/one_vs_all",
    "One-vs-all loss",
    "Loss of the outlier detector on labeled images: their own class says yes, the most mistaken other one says no.",
    unit="nats",
    better="lower",
    chart="loss",
    legend="one-vs-all",
)
INLIERS = Metric(
    "inliers/share",
    "Predicted inliers",
    "Share of the unlabeled images of a step whose inlier score reaches its threshold: the others are predicted as"
    " outliers, images of no class.",
    better=None,
    chart="share",
    legend="predicted inliers",
)


@methods.register
class OpenMatch(ClassifierMethod):
    """OpenMatch, for unlabeled images of which some belong to no class (Saito et al. 2021, arXiv:2105.14148).

    Beside the classifier, a linear layer says for each class whether an image is of it (an inlier) or not: a softmax
    over two for every class. Labeled images train it with their own class and the one other class that is most
    mistaken (hard negative sampling). Unlabeled ones lower its entropy, mean over classes and two weak views (open-set
    entropy minimization), and the squared difference of its answers to the two, summed over classes (soft
    consistency). An image's inlier score is the answer for the class that is predicted; FixMatch's loss is the mean
    over those whose score reaches the threshold of a half, once the share `start` of the run is over.

    Read in the authors' code (VisionLearningGroup/OP_Match): what is summed and what averaged, the weights, 10 of 512
    passes before FixMatch begins, and its confidence threshold of 0, which leaves the choice to the score. There
    inliers are selected before each pass, from plain images by the average weights, and FixMatch has batches of its
    own; here they follow from the step's first weak view, and all views go through one forward pass.

    The score is what pseudo-labels report as their confidence, so Train draws its histogram, with the threshold, and
    writes it beside images; those with the lowest scores are shown too.
    """

    class Params(MethodParams):
        name: Literal["openmatch"] = "openmatch"
        inlier_threshold: float = param(
            0.5,
            ge=0,
            le=1,
            symbol="τ_o",
            live=True,
            role="confidence_threshold",
            help="Use an image as one of the classes at or above this inlier score; the paper has one half.",
        )
        confidence: float = param(
            0.0,
            ge=0,
            le=1,
            symbol="τ",
            live=True,
            help="Confidence that an inlier's prediction needs, too, to be a pseudo-label; the authors' 0.",
        )
        unlabeled_weight: float = unlabeled_weight()
        unlabeled_ratio: int = unlabeled_ratio(2)
        entropy_weight: float = param(
            0.1, ge=0, le=100, symbol="λ_em", live=True, help="Weight of the detector's entropy on unlabeled images."
        )
        consistency_weight: float = param(
            0.5, ge=0, le=100, symbol="λ_oc", live=True, help="Weight of the detector's agreement on two weak views."
        )
        start: float = param(
            0.02, ge=0, le=1, advanced=True, help="Share of the run after which pseudo-labels of inliers are used."
        )

    title = "OpenMatch"
    summary = "FixMatch for pools that hold images of no class: a detector tells them apart and leaves them out."
    idea = (
        "Ask one detector for each class whether an image belongs to it. An unlabeled image whose predicted class says"
        " no is an outlier: it gets no pseudo-label."
    )
    formula = (
        r"L = L_s - \frac1B \sum_b \Big(\log p^{y_b}_{\mathrm{in}} + \min_{k \neq y_b} \log p^{k}_{\mathrm{out}}\Big)"
        r" + \lambda_{em} L_{em} + \lambda_{oc} \frac{1}{\mu B}\sum_b \sum_k \lVert p^k(\alpha_1(u_b)) -"
        r" p^k(\alpha_2(u_b))\rVert^2 + \lambda L_u\big(\{u_b : p^{\hat q_b}_{\mathrm{in}} \geq \tau_o\}\big)"
    )
    paper = "Saito et al. 2021, arXiv:2105.14148"
    views: ClassVar[dict[str, dict[str, Any]]] = {"weak": {"name": "weak"}, "strong": {"name": "strong"}}
    headline = ("test/accuracy", "inliers/share", "pseudo_label/accuracy")
    metrics = (DETECTOR, INLIERS)
    views_caption = "Of the latest step the images with the lowest inlier scores, and those with the highest"
    view_titles: ClassVar[dict[str, str]] = {"outlier": "lowest score", "inlier": "highest score"}

    def __init__(self, params: Params, backbone: Backbone, problem: TaskSpec) -> None:
        super().__init__(params, backbone, problem)
        self.detector = Head(nn.Linear(backbone.feature_size, 2 * problem.classes))
        self.scores: Tensor
        # [N] by row of the pool: the inlier score when last seen; a half before, which says nothing.
        self.register_buffer("scores", torch.full((problem.counts.get("unlabeled", 0),), 0.5))

    def streams(self) -> dict[str, Stream]:
        size = self.problem.batch_size
        views = {"weak": View("weak", count=2), "strong": View("strong")}
        return {
            "labeled": Stream("labeled", size, {"weak": View("weak")}),
            "unlabeled": Stream("unlabeled", size * self.params.unlabeled_ratio, views),
        }

    def step(self, batch: Batch, now: StepContext) -> StepResult:
        labeled, unlabeled = batch["labeled"], batch["unlabeled"]
        views = (labeled.weak, *unlabeled.weak, unlabeled.strong)
        sizes = [len(view) for view in views]
        features, logits = self.classifier(torch.cat(views))
        logits_x, logits_w, _, logits_s = logits.split(sizes)
        margin_x, first, second, _ = torch.split(inlier_margin(self.detector(features)), sizes)

        confidence, labels = logits_w.detach().softmax(1).max(1)  # [U], [U]
        score = first.detach().sigmoid().gather(1, labels[:, None]).squeeze(1)  # [U]
        scatter_last_(self.scores, unlabeled.rows, score)
        inlier = (score >= self.params.inlier_threshold) & (now.progress >= self.params.start)
        used = inlier & (confidence >= self.params.confidence)

        loss_x = F.cross_entropy(logits_x, labeled.known_labels)
        loss_d = one_vs_all(margin_x, labeled.known_labels)
        entropy = (binary_entropy(first) + binary_entropy(second)) / 2
        # Over both answers of a class, yes and no, which differ by as much.
        difference = 2 * (first.sigmoid() - second.sigmoid()).square().sum(1).mean()
        losses = F.cross_entropy(logits_s.float(), labels, reduction="none")
        # Over inliers, not over all: the paper's FixMatch has no other images.
        loss_u = (losses * used).sum() / inlier.sum().clamp_min(1)
        return StepResult(
            loss_x
            + loss_d
            + self.params.entropy_weight * entropy
            + self.params.consistency_weight * difference
            + self.params.unlabeled_weight * loss_u,
            {
                "loss/labeled": loss_x.detach(),
                "loss/one_vs_all": loss_d.detach(),
                "loss/unlabeled": loss_u.detach(),
                "inliers/share": (score >= self.params.inlier_threshold).float().mean(),
                "mask_rate": used.float().mean(),
            },
            PseudoLabels(
                unlabeled.ids, labels, score, used.float(), torch.full_like(score, self.params.inlier_threshold)
            ),
        )

    def show(self, batch: Batch) -> dict[str, Tensor]:
        """The unlabeled images of the step, the lowest score first and the highest first."""
        unlabeled = batch["unlabeled"]
        images = unlabeled.weak[0]
        order = self.scores[unlabeled.rows].argsort(stable=True)
        return {"outlier": images[order], "inlier": images[order.flip(0)]}


def inlier_margin(answers: Tensor) -> Tensor:
    """Of the detector's logits [N, 2K], no of every class and then yes, by how much yes is ahead: float32 [N, K]. Its
    sigmoid is the softmax over the two.
    """
    no, yes = answers.float().chunk(2, 1)
    return yes - no


def one_vs_all(margin: Tensor, labels: Tensor) -> Tensor:
    """-log p(in) of the own class and -log p(out) of the other class whose yes is furthest ahead, the mean over
    rows: a scalar. margin: [B, K]. labels: int64 [B].
    """
    own = margin.gather(1, labels[:, None]).squeeze(1)
    others = margin.scatter(1, labels[:, None], -torch.inf).amax(1)
    return (F.softplus(-own) + F.softplus(others)).mean()


def binary_entropy(margin: Tensor) -> Tensor:
    """Mean entropy of the detector's answers, in nats, over rows and classes of the margin [U, K]: a scalar."""
    inlier = margin.sigmoid()
    return (inlier * F.softplus(-margin) + (1 - inlier) * F.softplus(margin)).mean()
