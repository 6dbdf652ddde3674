"""self_training: label the pool, learn from scratch, label it again."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.backbones.backbone import Backbone
from engine.config.parts import MethodParams
from engine.config.settings import param
from engine.methods.base.batch import Batch, PseudoLabels, Stream, View
from engine.methods.base.classifier_method import ClassifierMethod
from engine.methods.base.context import StepContext, TaskSpec
from engine.methods.base.method import PoolPass, StepResult
from engine.methods.parts.ema import frozen_copy
from engine.methods.parts.losses import masked_cross_entropy


class SelfTraining(ClassifierMethod):
    """Self-training in rounds (Scudder 1965; in this form Cascante-Bonilla et al. 2021, arXiv:2001.06001): each round
    begins with new weights and keeps the predictions that the last one is sure of.
    """

    class Params(MethodParams):
        name: Literal["self_training"] = "self_training"
        rounds: int = param(3, ge=1, le=100, help="Times the pool is labeled.")
        threshold: float = param(
            0.5, ge=0, le=1, symbol="τ", live=True, role="confidence_threshold", help="Keep what is at least so sure."
        )

    title = "Self-training"
    summary = "Labels the pool, learns from scratch, and labels it again."
    idea = "Train on the labels, label what you are sure of, start again with those labels too."
    formula = r"\hat y = \arg\max p(x), \quad \max p(x) \geq \tau"
    paper = "Cascante-Bonilla et al. 2021, arXiv:2001.06001"
    params: Params

    def __init__(self, params: Params, backbone: Backbone, problem: TaskSpec) -> None:
        super().__init__(params, backbone, problem)
        self.untrained = frozen_copy(self.classifier)
        self.labels: Tensor
        self.confidence: Tensor
        # Without a count, in a model that only answers, there is no pool to label.
        count = problem.counts.get("unlabeled", 0)
        self.register_buffer("labels", torch.zeros(count, dtype=torch.int64))
        self.register_buffer("confidence", torch.zeros(count))

    def rounds(self) -> int:
        return self.params.rounds

    def begin_round(self, number: int, now: StepContext, pool: PoolPass) -> None:
        if number == 0:
            return
        _, probabilities = pool.predict(self.classifier)
        assert probabilities is not None
        confidence, labels = probabilities.max(1)
        self.confidence.copy_(confidence)
        self.labels.copy_(labels)
        self.classifier.load_state_dict(self.untrained.state_dict())

    def streams(self) -> dict[str, Stream]:
        size, weak = self.problem.batch_size, {"weak": View("weak")}
        return {"labeled": Stream("labeled", size, weak), "unlabeled": Stream("unlabeled", size, weak)}

    def step(self, batch: Batch, now: StepContext) -> StepResult:
        labeled, unlabeled = batch["labeled"], batch["unlabeled"]
        logits_x, logits_u = self.classifier.logits(labeled.weak, unlabeled.weak)
        labels, confidence = self.labels[unlabeled.rows], self.confidence[unlabeled.rows]
        used = (confidence >= self.params.threshold) & (confidence > 0)
        loss_x = F.cross_entropy(logits_x, labeled.known_labels)
        loss_u = masked_cross_entropy(logits_u, labels, used)
        scalars = {"loss/labeled": loss_x.detach(), "loss/unlabeled": loss_u.detach(), "mask_rate": used.float().mean()}
        return StepResult(loss_x + loss_u, scalars, PseudoLabels(unlabeled.ids, labels, confidence, used.float()))
