"""moco: one view finds the other among a queue of keys of earlier images."""

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
from engine.methods.base.encoder_method import EncoderMethod
from engine.methods.base.method import StepResult
from engine.methods.parts.batch_norm import bn_in_groups
from engine.methods.parts.draws import permutation
from engine.methods.parts.ema import ema_, frozen_copy
from engine.methods.parts.embedding_metrics import embedding_metrics
from engine.methods.parts.feature_queue import FeatureQueue
from engine.methods.parts.networks import Head
from engine.registry import methods

SMALLEST_GROUP = 8
"""Images below which a group's statistics say more of chance than of the images."""


@methods.register
class MoCo(EncoderMethod):
    """Momentum contrast (He et al. 2020, arXiv:1911.05722, eq. 1 and 2, algorithm 1) as in version 2 (Chen et al. 2020,
    arXiv:2003.04297): a projection head of two layers without batch norm, stronger views, a cosine schedule.

    The key encoder is a moving average of backbone and projection with a constant momentum, moved between the steps: no
    gradient reaches it. Its keys are pushed into the queue after the loss, so no query meets its own as a negative. The
    queue begins with random directions.

    Batch norm could tell which key belongs to the batch, because the queue's keys come from others. The paper shuffles
    keys over GPUs; on one device a shuffle alone changes nothing, so batch norm works on groups of the batch, as if
    each lay on a GPU of its own, and keys are grouped in another order than queries (as in the authors' CIFAR
    notebook). A batch that cannot be cut into equal groups of at least 8 stays whole.
    """

    class Params(MethodParams):
        name: Literal["moco"] = "moco"
        temperature: float = param(
            0.2,
            gt=0,
            le=10,
            symbol="τ",
            live=True,
            help="Divides the cosines: a lower temperature pushes near neighbors apart harder.",
        )
        momentum: float = param(
            0.99, ge=0, le=1, symbol="m", help="EMA decay of the key encoder; the paper has 0.999 for ImageNet."
        )
        queue_size: int = param(
            1024,
            ge=2,
            le=65_536,
            symbol="K",
            help=(
                "Keys of earlier batches that are the negatives; the paper has 65,536. More than there are images, and"
                " an image meets its own earlier keys as negatives."
            ),
        )
        projection_size: int = param(
            128,
            ge=2,
            le=8192,
            symbol="D",
            help="Output dimensions of the projection head; the head is discarded after training.",
        )
        hidden_size: int = param(
            128,
            ge=2,
            le=8192,
            advanced=True,
            help="Width of the projection head's hidden layer; the paper takes as many as the network has features.",
        )
        norm_groups: int = param(
            8, ge=1, le=64, advanced=True, help="Groups of the batch that batch norm normalizes separately. 1: none."
        )

    title = "MoCo"
    summary = "Learns features without any label: one view finds the other among a queue of earlier images."
    idea = (
        "Tell the other view of an image from a long queue of other images, whose embeddings a slowly following copy of"
        " the network has made."
    )
    formula = (
        r"L = -\log \frac{\exp(q \cdot k_+ / \tau)}{\exp(q \cdot k_+ / \tau) + \sum_{i=1}^{K} \exp(q \cdot k_i /"
        r" \tau)}, \quad \theta_k \leftarrow m \theta_k + (1 - m)\,\theta_q"
    )
    paper = "He et al. 2020, arXiv:1911.05722; Chen et al. 2020, arXiv:2003.04297"
    views: ClassVar[dict[str, dict[str, Any]]] = {"crop": {"name": "crop_jitter", "area": 0.2, "saturation": 0.4}}
    views_of_each = 2
    views_caption = "The pairs it compared: the query must find its key among those of earlier images"
    view_titles: ClassVar[dict[str, str]] = {"crop_1": "query", "crop_2": "key"}
    recommended: ClassVar[dict[str, Any]] = {"budget": {"steps": 500, "batch_size": 128, "evaluate_every": 50}}

    def __init__(self, params: Params, backbone: Backbone, problem: TaskSpec) -> None:
        super().__init__(params, backbone, problem)
        self.projection = Head(
            nn.Linear(backbone.feature_size, params.hidden_size),
            nn.ReLU(inplace=True),
            nn.Linear(params.hidden_size, params.projection_size),
        )
        self.key_encoder = frozen_copy(self._query_encoder())
        self.queue = FeatureQueue(params.queue_size, params.projection_size)

    def _query_encoder(self) -> nn.Sequential:
        return nn.Sequential(self.backbone, self.projection)

    def step(self, batch: Batch, now: StepContext) -> StepResult:
        first, second = batch["unlabeled"].crop
        groups = norm_groups(len(first), self.params.norm_groups)
        with bn_in_groups(groups, self.backbone):
            queries = F.normalize(self.projection(self.backbone(first)))  # [N, D]
        with torch.no_grad(), bn_in_groups(groups, self.key_encoder):
            order = permutation(len(second), now.rng("shuffle"), second)
            keys: Tensor = F.normalize(self.key_encoder(second[order]))[order.argsort()]
        loss = info_nce(queries, keys, self.queue.rows, self.params.temperature)
        self.queue.push(keys)
        figures = embedding_metrics(queries.detach(), keys) if now.logged else {}
        return StepResult(loss, {"loss/unlabeled": loss.detach(), **figures})

    def after_update(self, batch: Batch, now: StepContext) -> None:
        # Only parameters: the key encoder's running statistics are its own. The authors move it before the next step's
        # keys are made, which is the same.
        ema_(self.key_encoder, self._query_encoder(), self.params.momentum, buffers=False)


def norm_groups(count: int, most: int) -> int:
    """The largest number of equal groups, up to `most`, into which `count` images can be cut so that each has at least
    SMALLEST_GROUP; 1 if there is none.
    """
    return max(g for g in range(1, most + 1) if g == 1 or (count % g == 0 and count // g >= SMALLEST_GROUP))


def info_nce(queries: Tensor, keys: Tensor, negatives: Tensor, temperature: float) -> Tensor:
    """Cross-entropy of picking each query's key out of itself and all negatives, by cosine over temperature (eq. 1).

    queries, keys: [N, D], row by row of the same images. negatives: [K, D], used as they are now. All rows have length
    1; no gradient flows into keys and negatives. Scalar in nats: ln(1 + K) if all rows are equal.
    """
    with torch.autocast(queries.device.type, enabled=False):
        positive = (queries * keys.detach()).sum(1, keepdim=True)  # [N, 1]
        # A copy, because the queue moves on before the backward pass.
        logits = torch.cat((positive, queries @ negatives.detach().clone().T), 1) / temperature
    return F.cross_entropy(logits, torch.zeros(len(logits), dtype=torch.int64, device=logits.device))
