"""temporal_ensembling: an image must be predicted as it was on average in earlier passes."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from engine.backbones.backbone import Backbone
from engine.config.parts import MethodParams
from engine.config.settings import param
from engine.methods.base.batch import StreamBatch
from engine.methods.base.context import StepContext, TaskSpec
from engine.methods.parts.memory_table import scatter_last_
from engine.methods.semi_supervised.consistency_method import ConsistencyMethod
from engine.methods.semi_supervised.shared_settings import ramp, unlabeled_ratio, unlabeled_weight
from engine.registry import methods


@methods.register
class TemporalEnsembling(ConsistencyMethod):
    """Temporal ensembling (Laine & Aila 2017, arXiv:1610.02242, algorithm 2).

    Each image keeps a moving average of its predictions, one more at each pass over the data, and divided by 1 - αᵗ
    after t of them. The squared difference from it, averaged over classes, is the loss; in an image's first pass there
    is nothing to compare with. An image is taken in when it is seen, which is the same as at the end of a pass, since a
    pass shows it once.
    """

    class Params(MethodParams):
        name: Literal["temporal_ensembling"] = "temporal_ensembling"
        unlabeled_weight: float = unlabeled_weight(30.0, most=1000)
        unlabeled_ratio: int = unlabeled_ratio(1)
        ensemble_decay: float = param(
            0.6, ge=0, lt=1, symbol="α", help="Decay of each image's moving average, once per pass over the data."
        )
        ramp: float = ramp()

    title = "Temporal ensembling"
    summary = "Each image must be predicted as it was in earlier passes."
    idea = "Remember a moving average of what was predicted for each image, and ask the network to agree with it."
    formula = (
        r"Z \leftarrow \alpha Z + (1 - \alpha) p, \quad \tilde z = Z / (1 - \alpha^t), \quad L = L_s + \lambda\,"
        r" w(t)\, \frac{1}{\mu B K}\sum_b \lVert p(y \mid \alpha(u_b)) - \tilde z_b \rVert^2"
    )
    paper = "Laine & Aila 2017, arXiv:1610.02242"

    def __init__(self, params: Params, backbone: Backbone, problem: TaskSpec) -> None:
        super().__init__(params, backbone, problem)
        count = problem.counts.get("unlabeled", 0)
        self.ensemble: Tensor
        self.visits: Tensor
        self.register_buffer("ensemble", torch.zeros(count, problem.classes))  # [N, K] by row of the pool, Z
        self.register_buffer("visits", torch.zeros(count, dtype=torch.int64))

    def consistency(self, unlabeled: StreamBatch, now: StepContext) -> tuple[Tensor, Tensor]:
        predictions = self.classifier.logits(unlabeled.weak)[0].softmax(1)
        rows, alpha = unlabeled.rows, self.params.ensemble_decay
        before, visits = self.ensemble[rows].to(predictions.dtype), self.visits[rows]
        target = before / (1 - alpha ** visits.to(predictions.dtype)).clamp_min(1e-12)[:, None]
        seen = (visits > 0).to(predictions.dtype)[:, None]
        scatter_last_(self.ensemble, rows, alpha * before + (1 - alpha) * predictions.detach())
        scatter_last_(self.visits, rows, visits + 1)
        return ((predictions - target).square() * seen).mean(), predictions.detach()
