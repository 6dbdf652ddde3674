"""pi_model: two views of one image must be predicted alike."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from engine.config.parts import MethodParams
from engine.methods.base.batch import StreamBatch
from engine.methods.base.context import StepContext
from engine.methods.semi_supervised.consistency_method import ConsistencyMethod
from engine.methods.semi_supervised.shared_settings import ramp, unlabeled_ratio, unlabeled_weight
from engine.registry import methods


@methods.register
class PiModel(ConsistencyMethod):
    """The Π-model (Laine & Aila 2017, arXiv:1610.02242, algorithm 1): the squared difference of two predictions,
    averaged over classes, with gradient through both.

    The paper's noise is that of the network and of its inputs; here it is the two weak views. Each view has a forward
    pass of its own.
    """

    class Params(MethodParams):
        name: Literal["pi_model"] = "pi_model"
        unlabeled_weight: float = unlabeled_weight(10.0, most=1000)
        unlabeled_ratio: int = unlabeled_ratio(1)
        ramp: float = ramp()

    title = "Π-model"
    summary = "Two views of one image must be predicted alike."
    idea = "Distort each image twice, slightly, and ask the network for the same probabilities both times."
    formula = (
        r"L = L_s + \lambda\, w(t)\, \frac{1}{\mu B K}\sum_b \lVert p(y \mid \alpha_1(u_b)) - p(y \mid \alpha_2(u_b))"
        r" \rVert^2"
    )
    paper = "Laine & Aila 2017, arXiv:1610.02242"
    views_caption = "The pairs it compared: both must be predicted alike"
    unlabeled_views = 2

    def consistency(self, unlabeled: StreamBatch, now: StepContext) -> tuple[Tensor, Tensor]:
        first, second = (self.classifier.logits(view)[0].softmax(1) for view in unlabeled.weak)
        return (first - second).square().mean(), first.detach()
