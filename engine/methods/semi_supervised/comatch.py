"""comatch: a graph of pseudo-labels tells which embeddings belong together, and neighbors smooth the pseudo-labels."""

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
from engine.methods.parts.feature_queue import FeatureQueue
from engine.methods.parts.mixing import align
from engine.methods.parts.networks import Head
from engine.methods.parts.recent_mean import RecentMean
from engine.methods.semi_supervised.shared_settings import confidence_threshold, unlabeled_ratio, unlabeled_weight
from engine.metrics import Metric
from engine.registry import methods

RECENT_BATCHES = 32
CONTRAST = Metric(
    "loss/contrast",
    "Contrastive loss",
    "How far the similarities of embeddings are from the graph of pseudo-labels.",
    unit="nats",
    better="lower",
    chart="value",
)


@methods.register
class CoMatch(ClassifierMethod):
    """CoMatch (Li et al. 2021, arXiv:2011.11183, section 3 and algorithm 1), with the numbers of the authors' code.

    Weak predictions are aligned to equally frequent classes by their mean over 32 batches, then smoothed: α of the
    prediction and 1 - α of a mean over the memory bank, by similarity of embeddings, once the bank is full. The soft
    pseudo-labels are trained on where their largest entry reaches τ. Two images are connected by the inner product of
    their pseudo-labels where it reaches the graph's threshold; the similarities of the two strong views' embeddings are
    trained toward that graph, which makes each image find itself and those of its class.
    """

    class Params(MethodParams):
        name: Literal["comatch"] = "comatch"
        threshold: float = confidence_threshold()
        unlabeled_weight: float = unlabeled_weight()
        unlabeled_ratio: int = unlabeled_ratio()
        contrast_weight: float = param(
            1.0, ge=0, le=100, symbol="λ_c", live=True, help="Weight of the contrastive loss."
        )
        graph_threshold: float = param(
            0.8,
            ge=0,
            le=1,
            symbol="T",
            live=True,
            help="Agreement of two pseudo-labels from which images are connected.",
        )
        temperature: float = param(0.2, gt=0, le=10, symbol="t", live=True, help="Divides the cosines of embeddings.")
        smoothing: float = param(
            0.9, ge=0, le=1, symbol="α", live=True, help="Share of the prediction itself; the rest is its neighbors'."
        )
        memory: int = param(5, ge=1, le=256, advanced=True, help="Batches of images in the memory bank.")
        projection_size: int = param(64, ge=2, le=8192, advanced=True, help="Dimensions of an embedding.")

    title = "CoMatch"
    summary = "Pseudo-labels say which embeddings belong together, and similar embeddings smooth the pseudo-labels."
    idea = (
        "Connect images whose pseudo-labels agree, and bring their embeddings together. Average each pseudo-label with"
        " those of images whose embeddings are near."
    )
    formula = (
        r"q = \alpha\, \mathrm{DA}(p) + (1 - \alpha) \sum_k a_k p_k, \quad W_{bj} = q_b \cdot q_j \;(1 \text{ if } b ="
        r" j,\; 0 \text{ below } T), \quad L = L_s + \lambda\, 1[\max q \geq \tau] H(q, p(y \mid A)) + \lambda_c"
        r" H(\hat W, \hat S)"
    )
    paper = "Li et al. 2021, arXiv:2011.11183"
    views: ClassVar[dict[str, dict[str, Any]]] = {"weak": {"name": "weak"}, "strong": {"name": "strong"}}
    headline = ("test/accuracy", "mask_rate", "pseudo_label/accuracy")
    views_caption = "The weak view gives the label; the strong views must agree with it and with each other"
    metrics = (CONTRAST,)

    def __init__(self, params: Params, backbone: Backbone, problem: TaskSpec) -> None:
        super().__init__(params, backbone, problem)
        width = backbone.feature_size
        self.projection = Head(nn.Linear(width, width), nn.LeakyReLU(0.1), nn.Linear(width, params.projection_size))
        self.recent = RecentMean(RECENT_BATCHES, problem.classes)
        rows = params.memory * problem.batch_size * (1 + params.unlabeled_ratio)
        self.embeddings = FeatureQueue(rows, params.projection_size)
        self.labels = FeatureQueue(rows, problem.classes)
        self.stored: Tensor
        self.register_buffer("stored", torch.zeros((), dtype=torch.int64))  # rows ever pushed

    def projection_head(self) -> nn.Module:
        return self.projection

    def streams(self) -> dict[str, Stream]:
        size = self.problem.batch_size
        views = {"weak": View("weak"), "strong": View("strong", count=2)}
        return {
            "labeled": Stream("labeled", size, {"weak": View("weak")}),
            "unlabeled": Stream("unlabeled", size * self.params.unlabeled_ratio, views),
        }

    def step(self, batch: Batch, now: StepContext) -> StepResult:
        labeled, unlabeled = batch["labeled"], batch["unlabeled"]
        views = (labeled.weak, unlabeled.weak, *unlabeled.strong)
        sizes = [len(view) for view in views]
        features, logits = self.classifier(torch.cat(views))
        embedded = F.normalize(self.projection(features))
        logits_x, logits_w, logits_s, _ = logits.split(sizes)
        embedded_x, embedded_w, first, second = torch.split(embedded, sizes)
        own = self.align(logits_w.detach().softmax(1))
        soft = self.smooth(own, embedded_w.detach())  # [U, K]
        given = F.one_hot(labeled.known_labels, self.problem.classes).to(own.dtype)
        self.remember(torch.cat((embedded_w, embedded_x)).detach(), torch.cat((own, given)))

        confidence, labels = soft.max(1)
        used = confidence >= self.params.threshold
        loss_x = F.cross_entropy(logits_x, labeled.known_labels)
        loss_u = (-(soft * F.log_softmax(logits_s.float(), 1)).sum(1) * used).mean()
        loss_c = graph_contrast(first, second, graph(soft, self.params.graph_threshold), self.params.temperature)
        return StepResult(
            loss_x + self.params.unlabeled_weight * loss_u + self.params.contrast_weight * loss_c,
            {
                "loss/labeled": loss_x.detach(),
                "loss/unlabeled": loss_u.detach(),
                "loss/contrast": loss_c.detach(),
                "mask_rate": used.float().mean(),
            },
            PseudoLabels(
                unlabeled.ids, labels, confidence, used.float(), torch.full_like(confidence, self.params.threshold)
            ),
        )

    def align(self, predictions: Tensor) -> Tensor:
        """Take these predictions [U, K] into the recent mean, then align them to equally frequent classes."""
        self.recent.push(predictions.mean(0))
        return align(predictions, self.recent().to(predictions.dtype))

    def smooth(self, predictions: Tensor, embedded: Tensor) -> Tensor:
        """With the memory bank's pseudo-labels, by similarity (eq. 4 and 5): [U, K]. As they are until it is full."""
        alpha = self.params.smoothing
        near = (embedded @ self.embeddings.rows.to(embedded.dtype).T / self.params.temperature).softmax(1)
        smoothed = alpha * predictions + (1 - alpha) * near @ self.labels.rows.to(predictions.dtype)
        return torch.where(self.stored >= len(self.labels.rows), smoothed, predictions)

    def remember(self, embedded: Tensor, labels: Tensor) -> None:
        """Put this step's embeddings and pseudo-labels, before smoothing, into the bank."""
        self.embeddings.push(embedded)
        self.labels.push(labels)
        self.stored += len(labels)


def graph(soft: Tensor, threshold: float) -> Tensor:
    """Agreement of pseudo-labels [U, K] with 1 on the diagonal and 0 below the threshold, rows normalized (eq. 7):
    [U, U].
    """
    agreement = soft @ soft.T
    agreement = agreement.masked_fill(torch.eye(len(soft), dtype=torch.bool, device=soft.device), 1.0)
    kept = agreement * (agreement >= threshold)
    return kept / kept.sum(1, keepdim=True)


def graph_contrast(first: Tensor, second: Tensor, wanted: Tensor, temperature: float) -> Tensor:
    """Mean cross-entropy of the similarities of two views' normalized embeddings [U, P] against a graph [U, U], whose
    rows sum to 1 (eq. 9).
    """
    with torch.autocast(first.device.type, enabled=False):
        similarity = first.float() @ second.float().T / temperature
    return -(wanted * similarity.log_softmax(1)).sum(1).mean()
