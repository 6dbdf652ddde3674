"""vicreg: views agree, every dimension varies, and no two dimensions vary together."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, NamedTuple

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
from engine.metrics import Metric
from engine.registry import methods


@methods.register
class VICReg(EncoderMethod):
    """Variance-invariance-covariance regularization (Bardes et al. 2022, arXiv:2105.04906, eq. 1 to 6), with the
    scales of the authors' code.

    Three published versions differ by factors: this one averages the squared distance over images and dimensions, and
    the hinge on the standard deviation over both views, while covariances are summed over both; the paper's algorithm
    counts the variances of the views in full, and its equation sums the distance over dimensions. Embeddings are
    neither normalized nor standardized. Both views go through one forward pass, so batch norm uses their common
    statistics and moves once; the authors' code makes one pass for each view. The paper calls the projection head, of
    three layers, expander. A variance loss that stays near 1 is a collapse.
    """

    class Params(MethodParams):
        name: Literal["vicreg"] = "vicreg"
        invariance: float = param(
            25.0, ge=0, le=1000, symbol="λ", live=True, help="Weight of the distance between two views of an image."
        )
        variance: float = param(
            25.0,
            ge=0,
            le=1000,
            symbol="μ",
            live=True,
            help="Weight of the hinge that keeps each dimension's standard deviation at 1 or above.",
        )
        covariance: float = param(
            1.0, ge=0, le=1000, symbol="ν", live=True, help="Weight of the covariances between different dimensions."
        )
        projection_size: int = param(
            256, ge=2, le=8192, symbol="D", help="Width of the expander's layers; the paper has 8,192."
        )

    title = "VICReg"
    summary = (
        "Learns features without labels or negatives: three plain terms keep embeddings alike and from collapsing."
    )
    idea = (
        "Pull two views of an image together, keep every dimension of the embedding varied, and let no two dimensions"
        " vary together."
    )
    formula = (
        r"L = \frac{\lambda}{N D} \sum_i \lVert z_i - z'_i \rVert^2 + \frac{\mu}{2}\left[v(Z) + v(Z')\right] +"
        r" \nu\left[c(Z) + c(Z')\right], \quad v(Z) = \frac{1}{D} \sum_j \max\left(0, 1 - \sqrt{\mathrm{Var}(z_j) +"
        r" \epsilon}\right), \quad c(Z) = \frac{1}{D} \sum_{i \neq j} \mathrm{Cov}(Z)_{ij}^2"
    )
    paper = "Bardes et al. 2022, arXiv:2105.04906"
    views: ClassVar[dict[str, dict[str, Any]]] = {
        "first": {"name": "crop_jitter", "blur": 1.0},
        "second": {"name": "crop_jitter", "blur": 0.1, "solarize": 0.2},
    }
    metrics = (
        Metric(
            "vicreg/variance",
            "Variance loss",
            "How far the standard deviations of the embedding's dimensions fall short of 1, on average; near 1 all"
            " images have the same embedding.",
            unit="number",
            better="lower",
            chart="share",
            note="1 = collapse",
        ),
    )
    views_caption = "The pairs it compared: two views of an image get the same embedding"
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
        terms = vicreg_terms(first, second)
        params = self.params
        loss = (
            params.invariance * terms.invariance
            + params.variance * terms.variance
            + params.covariance * terms.covariance
        )
        figures = embedding_metrics(first, second) if now.logged else {}
        return StepResult(
            loss, {"loss/unlabeled": loss.detach(), "vicreg/variance": terms.variance.detach(), **figures}
        )


class Terms(NamedTuple):
    """The three terms of the loss, unweighted scalars."""

    invariance: Tensor
    variance: Tensor
    covariance: Tensor


def vicreg_terms(first: Tensor, second: Tensor) -> Terms:
    """invariance: squared distance, averaged over images and dimensions. variance: mean hinge of both views' standard
    deviations. covariance: squared covariances of different dimensions, summed and divided by D, both views summed.

    first, second: [N, D], row by row of the same N images, N at least 2; computed in float32 or better.
    """
    with torch.autocast(first.device.type, enabled=False):
        dtype = torch.promote_types(first.dtype, torch.float32)
        first, second = first.to(dtype), second.to(dtype)
        return Terms(
            F.mse_loss(first, second),
            (_deviation(first) + _deviation(second)) / 2,
            _covariance(first) + _covariance(second),
        )


def _deviation(embedding: Tensor) -> Tensor:
    # Inside the root, or its gradient at a collapsed dimension would be infinite.
    return F.relu(1 - (embedding.var(0) + 1e-4).sqrt()).mean()


def _covariance(embedding: Tensor) -> Tensor:
    centered = embedding - embedding.mean(0)
    covariance = centered.T @ centered / (len(centered) - 1)  # [D, D]
    return (covariance.square().sum() - covariance.diagonal().square().sum()) / covariance.shape[1]
