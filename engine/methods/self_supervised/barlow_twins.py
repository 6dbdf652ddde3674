"""barlow_twins: two views agree in every dimension, and no two dimensions say the same."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.backbones.backbone import Backbone
from engine.config.parts import MethodParams
from engine.config.settings import param
from engine.methods.base.batch import Batch
from engine.methods.base.context import StepContext, TaskSpec
from engine.methods.base.encoder_method import EncoderMethod
from engine.methods.base.method import StepResult
from engine.methods.parts.embedding_metrics import embedding_metrics
from engine.methods.parts.networks import mlp
from engine.registry import methods


@methods.register
class BarlowTwins(EncoderMethod):
    """Barlow Twins: the correlation matrix of two views' embeddings, over the batch, becomes the identity (Zbontar et
    al. 2021, arXiv:2103.03230, eq. 1 and 2).

    Each dimension is standardized over the batch with its biased standard deviation, as in the authors' code; the
    paper's pseudo-code takes the unbiased one, with which no correlation reaches 1. Both views go through one forward
    pass, so batch norm uses their common statistics and moves once; the authors' code makes one pass for each view. The
    loss grows with the dimensions: about D at the start, so the learning rate is small for SGD. The paper's LARS does
    not see that scale. The projection head has three layers.
    """

    class Params(MethodParams):
        name: Literal["barlow_twins"] = "barlow_twins"
        redundancy: float = param(
            0.005,
            ge=0,
            le=1,
            symbol="λ",
            live=True,
            help="Weight of the correlations between different dimensions, which are to be 0.",
        )
        projection_size: int = param(
            256, ge=2, le=8192, symbol="D", help="Width of the projection head's layers; the paper has 8,192."
        )

    title = "Barlow Twins"
    summary = "Learns features without labels or negatives: each dimension agrees over views and differs from others."
    idea = (
        "Let every dimension of the embedding be the same for two views of an image, and no two dimensions say the same"
        " thing."
    )
    formula = (
        r"L = \sum_i (1 - C_{ii})^2 + \lambda \sum_i \sum_{j \neq i} C_{ij}^2, \quad C = \frac{1}{N} \hat Z_1^\top"
        r" \hat Z_2"
    )
    paper = "Zbontar et al. 2021, arXiv:2103.03230"
    views: ClassVar[dict[str, dict[str, Any]]] = {
        "first": {"name": "crop_jitter", "blur": 1.0},
        "second": {"name": "crop_jitter", "blur": 0.1, "solarize": 0.2},
    }
    views_caption = "The pairs it compared: two views of an image agree in every dimension"
    view_titles: ClassVar[dict[str, str]] = {"first": "view 1", "second": "view 2"}
    recommended: ClassVar[dict[str, Any]] = {
        "optimizer": {"name": "sgd", "lr": 0.01},
        "budget": {"steps": 500, "batch_size": 128, "evaluate_every": 50},
    }

    def __init__(self, params: Params, backbone: Backbone, problem: TaskSpec) -> None:
        super().__init__(params, backbone, problem)
        size = params.projection_size
        self.projection = mlp(backbone.feature_size, size, size, size, last_bias=False)

    def step(self, batch: Batch, now: StepContext) -> StepResult:
        views = torch.cat((batch["unlabeled"].first, batch["unlabeled"].second))
        first, second = self.projection(self.backbone(views)).chunk(2)  # [N, D] each
        loss = barlow_twins_loss(first, second, self.params.redundancy)
        figures = embedding_metrics(first, second) if now.logged else {}
        return StepResult(loss, {"loss/unlabeled": loss.detach(), **figures})


def barlow_twins_loss(first: Tensor, second: Tensor, redundancy: float) -> Tensor:
    """Squared distance of the views' correlation matrix from the identity, off the diagonal times `redundancy` (eq. 1
    and 2).

    first, second: [N, D], row by row of the same N images, N at least 2. As in the authors' code, 1e-5 is added to the
    variances, so that a dimension which is constant in a batch has correlation 0. Scalar, 0 where each dimension is
    equal in both views and no two are correlated.
    """
    with torch.autocast(first.device.type, enabled=False):
        dtype = torch.promote_types(first.dtype, torch.float32)
        a, b = (F.batch_norm(each.to(dtype), None, None, training=True) for each in (first, second))
        correlation = a.T @ b / len(a)  # [D, D]
    on = (1 - correlation.diagonal()).square().sum()
    every = correlation.square().sum()
    return on + redundancy * (every - correlation.diagonal().square().sum())
