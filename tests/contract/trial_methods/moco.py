"""moco: one view finds the other among a queue of earlier ones."""

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
from engine.methods.base.method import GradientMethod, StepResult
from engine.methods.parts.batch_norm import bn_stats_frozen
from engine.methods.parts.draws import permutation
from engine.methods.parts.ema import ema_, frozen_copy
from engine.methods.parts.feature_queue import FeatureQueue
from engine.methods.parts.networks import Encoder, Head


class MoCo(GradientMethod):
    """MoCo (He et al. 2020, arXiv:1911.05722, eq. 1 and algorithm 1), with a head of two layers as in version 2."""

    class Params(MethodParams):
        name: Literal["moco"] = "moco"
        temperature: float = param(0.2, gt=0, le=10, symbol="τ", live=True, help="Divides the cosines.")
        momentum: float = param(0.99, ge=0, le=1, symbol="m", help="EMA decay of the key encoder.")
        queue: int = param(128, ge=2, le=65_536, help="Keys of earlier batches.")

    title = "MoCo"
    summary = "One view finds the other among a queue of earlier ones."
    idea = "Keep the keys of earlier batches in a queue, and tell the right one from them."
    formula = r"L = -\log \frac{\exp(q k_+ / \tau)}{\exp(q k_+ / \tau) + \sum_i \exp(q k_i / \tau)}"
    paper = "He et al. 2020, arXiv:1911.05722"
    supervision: ClassVar[set[str]] = {"none"}
    views: ClassVar[dict[str, dict[str, Any]]] = {"crop": {"name": "crop_jitter"}}

    def __init__(self, params: Params, backbone: Backbone, problem: TaskSpec) -> None:
        super().__init__(params, backbone, problem)
        self.projection = Head(nn.Linear(backbone.feature_size, 64), nn.ReLU(inplace=True), nn.Linear(64, 32))
        self.key_encoder = frozen_copy(nn.Sequential(backbone, self.projection))
        self.queue = FeatureQueue(params.queue, 32)

    def served(self) -> nn.Module:
        return Encoder(self.backbone)

    def projection_head(self) -> nn.Module:
        return self.projection

    def streams(self) -> dict[str, Stream]:
        return {"unlabeled": Stream("unlabeled", self.problem.batch_size, {"crop": View("crop", count=2)})}

    def step(self, batch: Batch, now: StepContext) -> StepResult:
        first, second = batch["unlabeled"].crop
        queries = F.normalize(self.projection(self.backbone(first)))  # [N, P]
        with torch.no_grad(), bn_stats_frozen(self.key_encoder):
            # In another order, so that batch norm does not tell which key belongs to which query.
            order = permutation(len(second), now.rng("shuffle"), second)
            keys: Tensor = F.normalize(self.key_encoder(second[order]))[order.argsort()]
        positive = (queries * keys).sum(1, keepdim=True)
        # A copy, because the queue moves on before the backward pass.
        logits = torch.cat((positive, queries @ self.queue.rows.T.clone()), 1) / self.params.temperature
        loss = F.cross_entropy(logits, torch.zeros(len(logits), dtype=torch.int64, device=logits.device))
        self.queue.push(keys)
        return StepResult(loss, {"loss/unlabeled": loss.detach()})

    def after_update(self, batch: Batch, now: StepContext) -> None:
        ema_(self.key_encoder, nn.Sequential(self.backbone, self.projection), self.params.momentum)
