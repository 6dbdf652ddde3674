"""comatch: a graph of pseudo-labels tells which embeddings belong together, and neighbors smooth the pseudo-labels."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.backbones.backbone import Backbone
from engine.config.parts import MethodParams
from engine.config.settings import param
from engine.methods.base.batch import Batch, Stream, View
from engine.methods.base.context import StepContext, TaskSpec
from engine.methods.base.method import StepResult
from engine.methods.parts.feature_queue import FeatureQueue
from engine.methods.semi_supervised.shared_settings import confidence_threshold, unlabeled_ratio, unlabeled_weight
from engine.methods.semi_supervised.similarity_method import SimilarityMethod
from engine.metrics import Metric
from engine.registry import methods

CONTRAST = Metric(
    "loss/contrast",
    "Contrastive loss",
    "How far the similarities of embeddings are from the graph of pseudo-labels.",
    unit="nats",
    better="lower",
    chart="value",
)


@methods.register
class CoMatch(SimilarityMethod):
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
    views_caption = "The weak view gives the label; the strong views must agree with it and with each other"
    recent_batches = 32
    metrics = (CONTRAST,)

    def __init__(self, params: Params, backbone: Backbone, problem: TaskSpec) -> None:
        super().__init__(params, backbone, problem)
        rows = params.memory * problem.batch_size * (1 + params.unlabeled_ratio)
        self.embeddings = FeatureQueue(rows, params.projection_size)
        self.labels = FeatureQueue(rows, problem.classes)
        self.stored: Tensor
        self.register_buffer("stored", torch.zeros((), dtype=torch.int64))  # rows ever pushed

    def activation(self) -> nn.Module:
        return nn.LeakyReLU(0.1)  # as in the authors' network

    def streams(self) -> dict[str, Stream]:
        size = self.problem.batch_size
        views = {"weak": View("weak"), "strong": View("strong", count=2)}
        return {
            "labeled": Stream("labeled", size, {"weak": View("weak")}),
            "unlabeled": Stream("unlabeled", size * self.params.unlabeled_ratio, views),
        }

    def step(self, batch: Batch, now: StepContext) -> StepResult:
        labeled, unlabeled = batch["labeled"], batch["unlabeled"]
        logits, embedded = self.look(labeled.weak, unlabeled.weak, *unlabeled.strong)
        logits_x, logits_w, logits_s, _ = logits
        embedded_x, embedded_w, first, second = embedded
        own = self.align(logits_w.detach().softmax(1))
        soft = self.smooth(own, embedded_w.detach())  # [U, K]
        given = F.one_hot(labeled.known_labels, self.problem.classes).to(own.dtype)
        self.remember(torch.cat((embedded_w, embedded_x)).detach(), torch.cat((own, given)))

        loss_x = F.cross_entropy(logits_x, labeled.known_labels)
        loss_u, learned = self.learn(unlabeled.ids, soft, logits_s)
        loss_c = graph_contrast(first, second, graph(soft, self.params.graph_threshold), self.params.temperature)
        return StepResult(
            loss_x + self.params.unlabeled_weight * loss_u + self.params.contrast_weight * loss_c,
            {
                "loss/labeled": loss_x.detach(),
                "loss/unlabeled": loss_u.detach(),
                "loss/contrast": loss_c.detach(),
                "mask_rate": learned.weight.mean(),
            },
            learned,
        )

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
