"""flexmatch: classes that are learned slowly need less confidence."""

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
from engine.methods.semi_supervised.shared_settings import confidence_threshold, unlabeled_ratio, unlabeled_weight
from engine.methods.semi_supervised.weak_strong_method import THRESHOLD, Belief, WeakStrongMethod
from engine.registry import methods


@methods.register
class FlexMatch(WeakStrongMethod):
    """FlexMatch: curriculum pseudo-labeling (Zhang et al. 2021, arXiv:2110.08263, eq. 5 to 8 and algorithm 1).

    Each unlabeled image carries the class that it was last predicted as above τ, or none; how many carry a class says
    how well it is learned. A class that most images carry needs τ, one that few carry needs little. Marks are only
    overwritten, never cleared, and a step's thresholds follow from the steps before it: at the start every prediction
    is used, as the authors intend. The mapping is their convex x / (2 - x). The comparison is >=, as in their code; the
    paper writes >.
    """

    class Params(MethodParams):
        name: Literal["flexmatch"] = "flexmatch"
        threshold: float = confidence_threshold()
        unlabeled_weight: float = unlabeled_weight()
        unlabeled_ratio: int = unlabeled_ratio()
        warmup: bool = param(
            True,
            advanced=True,
            help=(
                "While more images carry no class than carry the most frequent one, divide by the former: thresholds"
                " start low and rise together."
            ),
        )

    title = "FlexMatch"
    summary = "Each class has its own threshold, lower where it is still learned slowly."
    idea = (
        "Count how many images are confidently predicted as each class. A class with few of them is hard: let its"
        " predictions count at lower confidence, until it has caught up."
    )
    formula = (
        r"T_c = \tau\, \frac{\beta_c}{2 - \beta_c}, \qquad \beta_c = \frac{\sigma_c}{\max(\max_k \sigma_k,\;"
        r" N_{\mathrm{unused}})}, \qquad L_u = \frac{1}{\mu B}\sum_b 1[\max q_b \geq T_{\hat q_b}]\; H(\hat q_b, p(y"
        r" \mid A(u_b)))"
    )
    paper = "Zhang et al. 2021, arXiv:2110.08263"
    metrics = (THRESHOLD,)

    def __init__(self, params: Params, backbone: Backbone, problem: TaskSpec) -> None:
        super().__init__(params, backbone, problem)
        self.marks: Tensor
        # [N] by row of the pool: the class last predicted above the threshold, -1 for none yet.
        self.register_buffer("marks", torch.full((problem.counts.get("unlabeled", 0),), -1))

    def thresholds(self) -> Tensor:
        """[K], by class, as the marks are now."""
        counts = torch.bincount(self.marks + 1, minlength=self.problem.classes + 1).float()
        unused, learned = counts[0], counts[1:]
        most = torch.maximum(learned.max(), unused) if self.params.warmup else learned.max().clamp_min(1)
        share = learned / most
        thresholds: Tensor = self.params.threshold * share / (2 - share)
        return thresholds

    def believe(self, logits: Tensor, unlabeled: StreamBatch, now: StepContext) -> Belief:
        confidence, labels = logits.softmax(1).max(1)
        threshold = self.thresholds().to(confidence.dtype)[labels]
        sure = confidence >= self.params.threshold
        scatter_last_(self.marks, unlabeled.rows[sure], labels[sure])
        return Belief(labels, confidence, confidence >= threshold, threshold)

    def further_loss(self, logits: Tensor, belief: Belief) -> tuple[None, dict[str, Tensor]]:
        assert belief.threshold is not None
        return None, {"threshold/mean": belief.threshold.mean()}
