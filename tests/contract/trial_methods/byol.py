"""byol: predict what a slow copy makes of another view."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.backbones.backbone import Backbone
from engine.config.parts import MethodParams
from engine.config.settings import param
from engine.methods.base.batch import Batch, Stream, View
from engine.methods.base.context import StepContext, TaskSpec
from engine.methods.base.method import GradientMethod, Group, StepResult
from engine.methods.parts.batch_norm import bn_stats_frozen
from engine.methods.parts.ema import cosine_momentum, ema_, frozen_copy
from engine.methods.parts.networks import Encoder, Head


class BYOL(GradientMethod):
    """BYOL (Grill et al. 2020, arXiv:2006.07733, eq. 2): the first view is always blurred, the second rarely, and
    solarized now and then (appendix B).
    """

    class Params(MethodParams):
        name: Literal["byol"] = "byol"
        momentum: float = param(0.99, ge=0, le=1, symbol="τ", help="EMA decay of the target at the start.")

    title = "BYOL"
    summary = "Predicts what a slow copy of itself makes of another view, without negatives."
    idea = "Predict the target network's projection of one view from the online network's of the other."
    formula = r"L = 2 - 2\,\frac{\langle q(z), z' \rangle}{\lVert q(z) \rVert \lVert z' \rVert}"
    paper = "Grill et al. 2020, arXiv:2006.07733"
    supervision: ClassVar[set[str]] = {"none"}
    views: ClassVar[dict[str, dict[str, Any]]] = {
        "first": {"name": "crop_jitter", "blur": 1.0},
        "second": {"name": "crop_jitter", "blur": 0.1, "solarize": 0.2},
    }
    recommended: ClassVar[dict[str, Any]] = {"budget": {"batch_size": 64}}

    def __init__(self, params: Params, backbone: Backbone, problem: TaskSpec) -> None:
        super().__init__(params, backbone, problem)
        self.projection = _layers(backbone.feature_size)
        self.predictor = _layers(32)
        self.target = frozen_copy(nn.Sequential(backbone, self.projection))

    def served(self) -> nn.Module:
        return Encoder(self.backbone)

    def groups(self) -> list[Group]:
        return [Group([self.backbone, self.projection]), Group([self.predictor], lr_scale=2.0, schedule="constant")]

    def streams(self) -> dict[str, Stream]:
        views = {"first": View("first"), "second": View("second")}
        return {"unlabeled": Stream("unlabeled", self.problem.batch_size, views)}

    def step(self, batch: Batch, now: StepContext) -> StepResult:
        first, second = batch["unlabeled"].first, batch["unlabeled"].second
        views = torch.cat((first, second))
        predictions = self.predictor(self.projection(self.backbone(views)))  # [2N, P]
        with torch.no_grad(), bn_stats_frozen(self.target):
            targets: Tensor = self.target(views)
        swapped = torch.cat(targets.chunk(2)[::-1])
        loss = (2 - 2 * F.cosine_similarity(predictions, swapped)).mean()
        return StepResult(loss, {"loss/unlabeled": loss.detach()})

    def after_update(self, batch: Batch, now: StepContext) -> None:
        online = nn.Sequential(self.backbone, self.projection)
        ema_(self.target, online, cosine_momentum(self.params.momentum, now.progress))


def _layers(inputs: int) -> Head:
    return Head(nn.Linear(inputs, 64, bias=False), nn.BatchNorm1d(64), nn.ReLU(inplace=True), nn.Linear(64, 32))
