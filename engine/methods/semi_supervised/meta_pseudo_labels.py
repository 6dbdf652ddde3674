"""meta_pseudo_labels: a teacher is told by its student's progress which of its pseudo-labels helped."""

from __future__ import annotations

import copy
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.backbones.backbone import Backbone
from engine.config.parts import MethodParams
from engine.config.settings import param
from engine.methods.base.batch import Batch, PseudoLabels, Stream, StreamBatch, View
from engine.methods.base.classifier_method import ClassifierMethod
from engine.methods.base.context import StepContext, TaskSpec
from engine.methods.base.method import StepResult
from engine.methods.parts.batch_norm import bn_stats_frozen
from engine.methods.parts.draws import uniform
from engine.methods.parts.losses import linear_ramp
from engine.methods.parts.mixing import sharpen
from engine.methods.semi_supervised.shared_settings import (
    confidence_threshold,
    ramp,
    unlabeled_ratio,
    unlabeled_weight,
)
from engine.metrics import Metric
from engine.registry import methods

BASELINE_DECAY = 0.99
REWARD = Metric(
    "reward",
    "Student's progress",
    "By how much the student's labeled loss fell with its last update, less the recent average: the teacher's reward.",
    unit="nats",
    better=None,
    chart="value",
)
STUDENT = Metric(
    "loss/student",
    "Student's loss",
    "Cross-entropy of the student against the teacher's pseudo-labels, which are all that it learns from.",
    unit="nats",
    better="lower",
    chart="loss",
    legend="student",
)


@methods.register
class MetaPseudoLabels(ClassifierMethod):
    """Meta Pseudo Labels (Pham et al. 2021, arXiv:2003.10580, algorithm 1 and appendix A), with a teacher that also
    learns by UDA.

    Steps take turns. In one, the teacher draws a pseudo-label for each strong view from its prediction, and the student
    takes an update on them. In the other, the teacher takes one: cross-entropy of labels, UDA's loss, and h times the
    cross-entropy of the same views against the labels that it drew. h is by how much the student's labeled loss fell
    with its update, which is the product of both gradients in first order, less its moving average. Labels that helped
    become likelier, others less likely. In the last steps the student learns from labels alone. It is what answers.

    Batch norm: the student's running statistics move in its pass over strong views, the teacher's in its own step. Both
    labeled losses of h are of labeled images alone. Teacher and student begin with the same weights.

    Read in the authors' code (google-research/meta_pseudo_labels): UDA beside it, its weight rising, the average's
    decay. There pseudo-labels are soft, against which the teacher's own cross-entropy has no gradient, and h is the
    loss after less the loss before; here both are as the paper derives them. The mask looks at predictions before they
    are sharpened, as in UDA's paper. No label smoothing and no dropout.
    """

    class Params(MethodParams):
        name: Literal["meta_pseudo_labels"] = "meta_pseudo_labels"
        feedback_weight: float = param(
            1.0, ge=0, le=1000, symbol="λ_m", live=True, help="Weight of the student's feedback in the teacher's loss."
        )
        threshold: float = confidence_threshold(0.9)
        temperature: float = param(
            0.7, gt=0, le=1, symbol="T", live=True, help="Sharpens the teacher's target for its own strong views."
        )
        unlabeled_weight: float = unlabeled_weight()
        unlabeled_ratio: int = unlabeled_ratio()
        ramp: float = ramp(0.02)
        finetune: float = param(
            0.05, ge=0, lt=1, help="Share of the run, at its end, in which the student learns from labels alone."
        )

    title = "Meta Pseudo Labels"
    summary = "A teacher labels images for a student, and learns from how much the student gains by them."
    idea = (
        "Let a student learn from a teacher's labels alone, and look whether it has become better on images whose label"
        " is known. If so, the teacher was right to give those labels, and gives them more firmly."
    )
    formula = (
        r"\theta_S' = \theta_S - \eta \nabla H(\hat y, p_S(u)), \quad \hat y \sim p_T(u), \qquad h = L_l(\theta_S) -"
        r" L_l(\theta_S'), \qquad L_T = L_s + \lambda L_{\mathrm{UDA}} + \lambda_m\, h\, H(\hat y, p_T(u))"
    )
    paper = "Pham et al. 2021, arXiv:2003.10580"
    views: ClassVar[dict[str, dict[str, Any]]] = {"weak": {"name": "weak"}, "strong": {"name": "strong"}}
    headline = ("test/accuracy", "reward", "pseudo_label/accuracy")
    metrics = (REWARD, STUDENT)
    views_caption = "The teacher labels the strong view for the student"

    params: Params

    def __init__(self, params: Params, backbone: Backbone, problem: TaskSpec) -> None:
        super().__init__(params, backbone, problem)
        self.teacher = copy.deepcopy(self.classifier)
        count, side = problem.batch_size * params.unlabeled_ratio, problem.size
        self.images: Tensor
        self.labels: Tensor
        self.before: Tensor
        self.reward: Tensor
        self.baseline: Tensor
        # What the student learned from in its last step, for the teacher's step that follows.
        self.register_buffer("images", torch.zeros(count, problem.channels, side, side))
        self.register_buffer("labels", torch.zeros(count, dtype=torch.int64))
        self.register_buffer("before", torch.tensor(0.0))  # its labeled loss before the update
        self.register_buffer("reward", torch.tensor(0.0))  # h, less its average
        self.register_buffer("baseline", torch.tensor(0.0))

    def streams(self) -> dict[str, Stream]:
        size = self.problem.batch_size
        pair = {"weak": View("weak"), "strong": View("strong")}
        return {
            "labeled": Stream("labeled", size, {"weak": View("weak")}),
            "unlabeled": Stream("unlabeled", size * self.params.unlabeled_ratio, pair),
        }

    def step(self, batch: Batch, now: StepContext) -> StepResult:
        labeled, unlabeled = batch["labeled"], batch["unlabeled"]
        if self.finetunes(now):
            (logits,) = self.classifier.logits(labeled.weak)
            loss = F.cross_entropy(logits, labeled.known_labels)
            return StepResult(loss, {"loss/labeled": loss.detach()})
        return self.teach(labeled, unlabeled, now) if now.step % 2 else self.learn(labeled, unlabeled, now)

    def finetunes(self, now: StepContext) -> bool:
        return now.progress >= 1 - self.params.finetune

    def learn(self, labeled: StreamBatch, unlabeled: StreamBatch, now: StepContext) -> StepResult:
        """The student's step."""
        with torch.no_grad(), bn_stats_frozen(self.teacher):
            (logits_t,) = self.teacher.logits(unlabeled.strong)
        probabilities = logits_t.softmax(1)
        # The first class at which the summed probabilities exceed a uniform number; the last sum may miss 1.
        draws = uniform(probabilities[:, :1], now.rng("labels"))
        labels = (probabilities.cumsum(1) <= draws).sum(1).clamp_max(self.problem.classes - 1)
        self.images.copy_(unlabeled.strong)
        self.labels.copy_(labels)
        self.before.copy_(self.labeled_loss(labeled))
        (logits,) = self.classifier.logits(unlabeled.strong)
        loss = F.cross_entropy(logits, labels)
        confidence = probabilities.gather(1, labels[:, None]).squeeze(1)
        return StepResult(
            loss,
            {"loss/student": loss.detach()},
            PseudoLabels(unlabeled.ids, labels, confidence, torch.ones_like(confidence)),
        )

    def after_update(self, batch: Batch, now: StepContext) -> None:
        if now.step % 2 or self.finetunes(now):
            return
        progress = self.before - self.labeled_loss(batch["labeled"])
        self.baseline.lerp_(progress.to(self.baseline.dtype), 1 - BASELINE_DECAY)
        self.reward.copy_(progress - self.baseline)

    def labeled_loss(self, labeled: StreamBatch) -> Tensor:
        """The student's on labeled images, as in training, without gradient: a scalar."""
        with torch.no_grad(), bn_stats_frozen(self.classifier):
            (logits,) = self.classifier.logits(labeled.weak)
        return F.cross_entropy(logits, labeled.known_labels)

    def teach(self, labeled: StreamBatch, unlabeled: StreamBatch, now: StepContext) -> StepResult:
        """The teacher's step."""
        logits_x, logits_w, logits_s, logits_m = self.teacher.logits(
            labeled.weak, unlabeled.weak, unlabeled.strong, self.images
        )
        predictions = logits_w.detach().softmax(1)
        used = predictions.amax(1) >= self.params.threshold
        targets = sharpen(predictions, self.params.temperature)
        divergence = F.kl_div(F.log_softmax(logits_s.float(), 1), targets.float(), reduction="none").sum(1)  # [U]
        loss_x = F.cross_entropy(logits_x, labeled.known_labels)
        loss_u = (divergence * used).mean()
        loss_m = self.reward * F.cross_entropy(logits_m, self.labels)
        weight = self.params.unlabeled_weight * linear_ramp(now.progress, self.params.ramp)
        return StepResult(
            loss_x + weight * loss_u + self.params.feedback_weight * loss_m,
            {
                "loss/labeled": loss_x.detach(),
                "loss/unlabeled": loss_u.detach(),
                "reward": self.reward.clone(),
                "mask_rate": used.float().mean(),
            },
        )
