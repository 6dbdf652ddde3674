"""simclr: two views of one image find each other among all others."""

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
from engine.methods.parts.embedding_metrics import embedding_metrics
from engine.methods.parts.losses import nt_xent
from engine.methods.parts.networks import Head
from engine.registry import methods


@methods.register
class SimCLR(EncoderMethod):
    """SimCLR: contrastive learning with NT-Xent over all 2N-1 other views of a batch (Chen et al. 2020,
    arXiv:2002.05709).

    Both views go through one forward pass, so batch norm sees them together and moves its running statistics once, as
    in the authors' code. The projection head is two layers with batch norm and ReLU between them; it is thrown away
    after training, and what is served and probed are the features before it. The stream covers all training images.
    The temperature of 0.5 is the paper's best on CIFAR-10; larger batches can use a lower one. SGD with momentum in
    place of LARS, which the paper needs for its batches of 4,096 only.
    """

    class Params(MethodParams):
        name: Literal["simclr"] = "simclr"
        temperature: float = param(
            0.5,
            gt=0,
            le=10,
            symbol="τ",
            live=True,
            help="Divides the cosines: a lower temperature pushes near neighbors apart harder.",
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
        loss: Literal["nt_xent", "swapped_masks"] = param(
            "nt_xent",
            advanced=True,
            added=True,
            help="`swapped_masks` is a widely copied mistake, kept to show what it does: it pulls all images together"
            " and pushes none apart.",
        )

    title = "SimCLR"
    summary = "Learns features without any label: two views of one image must find each other among all others."
    idea = (
        "Distort each image in two ways, and teach the network to tell which two views in the batch come from the"
        " same image."
    )
    formula = (
        r"\ell_{i} = -\log \frac{\exp(\cos(z_i, z_{i^+})/\tau)}{\sum_{k \neq i} \exp(\cos(z_i, z_k)/\tau)}, \quad L ="
        r" \frac{1}{2N}\sum_i \ell_i"
    )
    paper = "Chen et al. 2020, arXiv:2002.05709"
    views: ClassVar[dict[str, dict[str, Any]]] = {"simclr": {"name": "simclr"}}
    views_of_each = 2
    views_caption = "The pairs it compared: two views of one image must find each other among all others"
    view_titles: ClassVar[dict[str, str]] = {"simclr_1": "view 1", "simclr_2": "view 2"}
    recommended: ClassVar[dict[str, Any]] = {"budget": {"steps": 500, "batch_size": 256, "evaluate_every": 50}}

    def __init__(self, params: Params, backbone: Backbone, problem: TaskSpec) -> None:
        super().__init__(params, backbone, problem)
        self.projection = Head(
            nn.Linear(backbone.feature_size, params.hidden_size, bias=False),
            nn.BatchNorm1d(params.hidden_size),
            nn.ReLU(inplace=True),
            nn.Linear(params.hidden_size, params.projection_size),
        )

    def step(self, batch: Batch, now: StepContext) -> StepResult:
        views: Tensor = batch["unlabeled"].simclr  # [2, N, C, H, W]
        first, second = self.projection(self.backbone(views.flatten(0, 1))).chunk(2)  # [N, D] each
        loss = (nt_xent if self.params.loss == "nt_xent" else swapped_masks)(first, second, self.params.temperature)
        figures = embedding_metrics(first, second) if now.logged else {}
        return StepResult(loss, {"loss/unlabeled": loss.detach(), **figures})


def swapped_masks(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """NT-Xent as it is often copied, with the masks of positives and negatives exchanged: every other row is a
    positive, and a row's only "negative" is itself.

    first, second: [N, D]. Scalar in nats: 1/temperature less the mean cosine of two different rows over temperature, 0
    where all embeddings are one point. Only for showing that this is what it learns.
    """
    rows = F.normalize(torch.cat((first, second)))  # [2N, D]
    cosines = rows @ rows.T
    others = ~torch.eye(len(rows), dtype=torch.bool, device=rows.device)
    return (1 - cosines[others].mean()) / temperature
