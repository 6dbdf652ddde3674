"""byol: one view's embedding predicts what a slow copy of the network makes of the other view."""

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
from engine.methods.parts.ema import cosine_momentum, ema_, frozen_copy
from engine.methods.parts.embedding_metrics import embedding_metrics
from engine.methods.parts.networks import mlp
from engine.registry import methods


@methods.register
class BYOL(EncoderMethod):
    """Bootstrap your own latent: no negatives; a predictor and a target network that follows slowly keep the
    embedding from collapsing (Grill et al. 2020, arXiv:2006.07733, eq. 2 and algorithm 1).

    The target is an exponential moving average of backbone and projection, moved after every step with a momentum that
    rises from τ to 1 along a cosine; no gradient reaches it. It runs in train mode and keeps running statistics of its
    own, as in the authors' code. The online network sees both views in one forward pass, so batch norm uses their
    common statistics and moves once; the authors' code makes one pass for each view. The paper starts at 0.996 for
    1,000 epochs; short runs need a faster target. Its views: the first is always blurred, the second rarely, and
    solarized now and then (appendix B). It takes LARS for batches of 4,096; smaller ones train with SGD.
    """

    class Params(MethodParams):
        name: Literal["byol"] = "byol"
        momentum: float = param(
            0.99,
            ge=0,
            le=1,
            symbol="τ",
            help="EMA decay of the target network in the first step; it rises to 1 along a cosine.",
        )
        projection_size: int = param(
            128,
            ge=2,
            le=8192,
            symbol="D",
            help="Output dimensions of projection head and predictor; the paper has 256.",
        )
        hidden_size: int = param(
            256,
            ge=2,
            le=8192,
            advanced=True,
            help="Width of the hidden layers of projection head and predictor; the paper has 4,096.",
        )

    title = "BYOL"
    summary = "Learns features without any label or negative: predict what a slow copy makes of another view."
    idea = (
        "From one view of an image, predict the embedding that a slowly following copy of the network gives another"
        " view of it."
    )
    formula = (
        r"L = \left\lVert \bar q(z_1) - \mathrm{sg}(\bar z'_2) \right\rVert^2 + \left\lVert \bar q(z_2) -"
        r" \mathrm{sg}(\bar z'_1) \right\rVert^2, \quad \xi \leftarrow \tau \xi + (1 - \tau)\,\theta"
    )
    paper = "Grill et al. 2020, arXiv:2006.07733"
    views: ClassVar[dict[str, dict[str, Any]]] = {
        "first": {"name": "crop_jitter", "blur": 1.0},
        "second": {"name": "crop_jitter", "blur": 0.1, "solarize": 0.2},
    }
    views_caption = "The pairs it compared: from each view the other one's embedding is predicted"
    view_titles: ClassVar[dict[str, str]] = {"first": "view 1", "second": "view 2"}
    recommended: ClassVar[dict[str, Any]] = {"budget": {"steps": 500, "batch_size": 128, "evaluate_every": 50}}

    def __init__(self, params: Params, backbone: Backbone, problem: TaskSpec) -> None:
        super().__init__(params, backbone, problem)
        hidden, size = params.hidden_size, params.projection_size
        # No batch norm behind the last layer, and no bias in it, as in the authors' code.
        self.projection = mlp(backbone.feature_size, hidden, size, last_bias=False)
        self.predictor = mlp(size, hidden, size, last_bias=False)
        self.target = frozen_copy(self._online())

    def _online(self) -> nn.Sequential:
        return nn.Sequential(self.backbone, self.projection)

    def step(self, batch: Batch, now: StepContext) -> StepResult:
        views = torch.cat((batch["unlabeled"].first, batch["unlabeled"].second))
        projections = self.projection(self.backbone(views))  # [2N, D]
        predictions = self.predictor(projections)
        with torch.no_grad():
            targets: Tensor = self.target(views)
        loss = byol_loss(*predictions.chunk(2), *targets.chunk(2))
        figures = embedding_metrics(*projections.detach().chunk(2)) if now.logged else {}
        return StepResult(loss, {"loss/unlabeled": loss.detach(), **figures})

    def after_update(self, batch: Batch, now: StepContext) -> None:
        # Only parameters: the target's running statistics are its own.
        ema_(self.target, self._online(), cosine_momentum(self.params.momentum, now.progress), buffers=False)


def byol_loss(first: Tensor, second: Tensor, first_target: Tensor, second_target: Tensor) -> Tensor:
    """Squared distance of normalized predictions and targets, each view's against the other's, both summed: 4 - 2cos -
    2cos (eq. 2 and its symmetric term), averaged over images.

    All [N, D]; no gradient flows into the targets. Scalar, 0 where every prediction points as its target does, to 8.
    """
    # 2 - 2cos sums over the D dimensions; a mean over them would train at a D-th of the rate.
    distances = [
        2 - 2 * F.cosine_similarity(prediction, target.detach())
        for prediction, target in ((first, second_target), (second, first_target))
    ]
    return (distances[0] + distances[1]).mean()
