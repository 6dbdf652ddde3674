"""pico: images that seem to be of one class are drawn together, and the centers of the classes say which candidate is
true.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.backbones.backbone import Backbone
from engine.config.parts import MethodParams
from engine.config.settings import param
from engine.methods.base.batch import Batch
from engine.methods.base.context import StepContext, TaskSpec
from engine.methods.base.method import StepResult
from engine.methods.partial_label.candidate_method import CandidateMethod
from engine.methods.parts.candidate_table import heaviest_candidates
from engine.methods.parts.ema import ema_, frozen_copy
from engine.methods.parts.feature_queue import FeatureQueue
from engine.methods.parts.losses import soft_cross_entropy
from engine.methods.parts.memory_table import scatter_last_
from engine.methods.parts.networks import Head
from engine.metrics import Metric
from engine.registry import methods

NO_LABEL = -1  # of the random rows that the queue begins with: they are nobody's positives


@methods.register
class PiCO(CandidateMethod):
    """PiCO: contrastive label disambiguation (Wang et al. 2022, arXiv:2201.08984, algorithm 1).

    The weak view goes through the network, the strong one through a key encoder that follows it. Of the weak view's
    probabilities the best candidate is the step's pseudo-label: it moves the prototype of its class, one image after
    the other, and tells which rows of the pool (this batch, its keys, the queue) are positives. Prototypes as they
    were before the step choose the candidate that an image's weights move to, before the loss reads these weights.
    During the warm-up the weights stay uniform; the paper then leaves the contrast out, and its code replaces it by
    MoCo's, in which an image's own key is the only positive.

    Defaults that suit a CPU: the paper's queue holds 8,192 keys of 128 dimensions, the key encoder keeps 0.999. Batch
    norm's statistics come from the weak views; the key encoder has its own, from the strong ones. Rows of the queue
    that no image has filled yet are random directions, negatives for all.
    """

    class Params(MethodParams):
        name: Literal["pico"] = "pico"
        contrast_weight: float = param(
            0.5, ge=0, le=100, symbol="λ", live=True, help="Weight of the contrastive loss beside the classification."
        )
        temperature: float = param(
            0.07, gt=0, le=10, symbol="τ", live=True, help="Divides the cosines of the contrastive loss."
        )
        inertia_start: float = param(
            0.95,
            ge=0,
            le=1,
            symbol="φ",
            help="Share of an image's weights that stays in each visit at the start of the run.",
        )
        inertia_end: float = param(
            0.8, ge=0, le=1, help="The same at the end of the run, reached along a straight line."
        )
        warm_up: float = param(
            0.05,
            ge=0,
            le=1,
            help="Share of the run in which the weights stay uniform; the paper: 1 to 100 of 800 epochs.",
        )
        warm_up_contrast: Literal["none", "moco"] = param(
            "none",
            advanced=True,
            help=(
                "What is contrasted during the warm-up. none: nothing, as in the paper. moco: an image's own key"
                " against the queue, as in its code."
            ),
        )
        queue_size: int = param(1024, ge=1, le=1_000_000, help="Keys that are kept for comparison.")
        projection_size: int = param(64, ge=2, le=8192, symbol="D", help="Dimensions in which views are compared.")
        prototype_momentum: float = param(
            0.99, ge=0, lt=1, symbol="γ", advanced=True, help="Share of a prototype that stays with each image."
        )
        key_momentum: float = param(
            0.99, ge=0, lt=1, symbol="m", advanced=True, help="Share of the key encoder that stays in each step."
        )

    title = "PiCO"
    summary = "Contrastive learning among images of one pseudo-label; class prototypes identify the true candidate."
    idea = (
        "Draw images together that seem to be of one class. Keep a prototype of each class, and let the candidate whose"
        " prototype is nearest gain weight, visit by visit."
    )
    formula = (
        r"L = -\frac{1}{B}\sum_b \sum_{j} s_{bj} \log p_j + \frac{\lambda}{B} \sum_b \frac{-1}{|P_b|} \sum_{k_+ \in"
        r" P_b} \log \frac{\exp(q_b^\top k_+ / \tau)}{\sum_{k'} \exp(q_b^\top k' / \tau)}, \quad s_b \leftarrow \varphi"
        r" s_b + (1 - \varphi)\, e_{\arg\max_{j \in S_b} q_b^\top \mu_j}"
    )
    paper = "Wang et al. 2022, arXiv:2201.08984"
    views: ClassVar[dict[str, dict[str, Any]]] = {"weak": {"name": "weak"}, "strong": {"name": "strong"}}
    metrics = (
        Metric(
            "loss/contrastive",
            "Contrastive loss",
            "How far images of one pseudo-label are from each other, against all others in the pool; averaged over the"
            " steps between two points.",
            unit="nats",
            better="lower",
            chart="loss",
            legend="contrastive",
        ),
    )
    views_caption = "The pairs it compared: the weak view asks, the strong view is its key"
    params: Params

    def __init__(self, params: Params, backbone: Backbone, problem: TaskSpec) -> None:
        super().__init__(params, backbone, problem)
        size, dimensions = backbone.feature_size, params.projection_size
        self.projection = Head(nn.Linear(size, size), nn.ReLU(inplace=True), nn.Linear(size, dimensions))
        self.key_encoder = frozen_copy(nn.Sequential(backbone, self.projection))
        self.queue = FeatureQueue(params.queue_size, dimensions)
        self.queue_labels: Tensor
        self.prototypes: Tensor
        self.register_buffer("queue_labels", torch.full((params.queue_size,), NO_LABEL))
        self.register_buffer("prototypes", torch.zeros(problem.classes, dimensions))  # [K, D]

    def projection_head(self) -> nn.Module:
        return self.projection

    def step(self, batch: Batch, now: StepContext) -> StepResult:
        part, params = batch["all"], self.params
        candidates = part.known_candidates  # [B, K]
        features, logits = self.classifier(part.weak)
        queries = F.normalize(self.projection(features))  # [B, D]
        # Outside of the candidates -inf: also a network that is sure of another class names one of them.
        pseudo_labels = logits.detach().masked_fill(~candidates, -torch.inf).argmax(1)  # [B]
        nearest = (queries.detach() @ self.prototypes.T).masked_fill(~candidates, -torch.inf).argmax(1)
        self.move_prototypes(queries.detach(), pseudo_labels)
        keys = self._keys(part.strong)  # [B, D]

        warming_up = now.progress < params.warm_up
        if not warming_up:
            inertia = params.inertia_start + (params.inertia_end - params.inertia_start) * now.progress
            moved = inertia * self.weights[part.rows] + (1 - inertia) * F.one_hot(nearest, self.problem.classes)
            scatter_last_(self.weights, part.rows, moved)
        weights = self.weights[part.rows]
        classification = soft_cross_entropy(logits, weights)
        contrast = self._contrast(queries, keys, pseudo_labels, warming_up)
        places = self.queue.push(keys)
        self.queue_labels.index_copy_(0, places, pseudo_labels[-len(places) :])

        scalars = {"loss/labeled": classification.detach(), "loss/contrastive": contrast.detach()}
        believed = heaviest_candidates(part.ids, candidates, weights)
        return StepResult(classification + params.contrast_weight * contrast, scalars, believed)

    @torch.no_grad()
    def move_prototypes(self, queries: Tensor, labels: Tensor) -> None:
        """Each query [B, D], in order, pulls the prototype of its label [B] toward itself; then all have length 1."""
        decay = self.params.prototype_momentum
        of_class = F.one_hot(labels, self.problem.classes).to(queries.dtype)  # [B, K]
        later = of_class.flip(0).cumsum(0).flip(0) - of_class  # queries of the same class that still come
        pulls = of_class * (1 - decay) * decay**later
        moved = self.prototypes * decay ** of_class.sum(0)[:, None] + pulls.T @ queries
        self.prototypes.copy_(F.normalize(moved))

    @torch.no_grad()
    def _keys(self, images: Tensor) -> Tensor:
        encoder = nn.Sequential(self.backbone, self.projection)
        ema_(self.key_encoder, encoder, self.params.key_momentum, buffers=False)
        return F.normalize(self.key_encoder(images))

    def _contrast(self, queries: Tensor, keys: Tensor, labels: Tensor, warming_up: bool) -> Tensor:
        if not warming_up:
            pool = torch.cat((queries, keys, self.queue.rows))
            return class_contrast(
                queries, pool, labels, torch.cat((labels, labels, self.queue_labels)), self.params.temperature
            )
        if self.params.warm_up_contrast == "none":
            return queries.new_zeros(())
        # A copy, because the queue moves on before the backward pass.
        return info_nce(queries, keys, self.queue.rows.clone(), self.params.temperature)


def class_contrast(queries: Tensor, pool: Tensor, labels: Tensor, pool_labels: Tensor, temperature: float) -> Tensor:
    """Mean over queries of the mean over their positives of -log softmax of the cosines: PiCO's contrastive loss (Wang
    et al. 2022, arXiv:2201.08984, equation 4), that of Khosla et al. 2020 (arXiv:2004.11362) with the sum outside.

    queries: [B, D], of length 1. pool: [M, D], the queries themselves first. labels: int64 [B]; pool_labels: int64 [M].
    Positives are the rows of the pool with a query's label, without itself; each query must have one. A query is no
    choice of its own. Returns a scalar in nats.
    """
    count = len(queries)
    itself = torch.eye(count, len(pool), dtype=torch.bool, device=pool.device)
    log_share = F.log_softmax((queries @ pool.T / temperature).masked_fill(itself, -torch.inf), 1)  # [B, M]
    positive = (labels[:, None] == pool_labels) & ~itself
    return -(log_share.masked_fill(~positive, 0).sum(1) / positive.sum(1)).mean()


def info_nce(queries: Tensor, keys: Tensor, negatives: Tensor, temperature: float) -> Tensor:
    """Mean of -log softmax at an image's own key, among it and the negatives (MoCo, He et al. 2020, arXiv:1911.05722,
    equation 1).

    queries, keys: [B, D]; negatives: [M, D], all of length 1. Returns a scalar in nats.
    """
    own = (queries * keys).sum(1, keepdim=True)
    logits = torch.cat((own, queries @ negatives.T), 1) / temperature
    return F.cross_entropy(logits, torch.zeros(len(queries), dtype=torch.int64, device=queries.device))
