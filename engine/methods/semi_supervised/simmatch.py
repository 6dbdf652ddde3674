"""simmatch: two views must agree on the class, and on which labeled images they resemble."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.backbones.backbone import Backbone
from engine.config.parts import MethodParams
from engine.config.settings import param
from engine.methods.base.batch import Batch, Stream, View
from engine.methods.base.context import StepContext, TaskSpec
from engine.methods.base.method import StepResult
from engine.methods.parts.memory_table import scatter_last_
from engine.methods.semi_supervised.shared_settings import confidence_threshold, unlabeled_ratio, unlabeled_weight
from engine.methods.semi_supervised.similarity_method import SimilarityMethod
from engine.metrics import Metric
from engine.registry import methods

INSTANCES = Metric(
    "loss/instances",
    "Instance similarity loss",
    "How far the strong view's similarities to the labeled images are from the weak view's.",
    unit="nats",
    better="lower",
    chart="value",
)


@methods.register
class SimMatch(SimilarityMethod):
    """SimMatch (Zheng et al. 2022, arXiv:2203.06915, section 3), in the form for small images: no teacher, and a memory
    of the labeled images' embeddings that each moves with a decay of its own.

    Class and instance similarities of the weak view calibrate each other: similarities to labeled images are multiplied
    by the probability of their class and normalized (unfolding); probabilities are α of the prediction and 1 - α of the
    similarities added up by class (aggregating). The strong view must match both, the first where the largest
    probability reaches τ. Predictions are aligned to equally frequent classes by their mean over 256 batches. In the
    first pass over the data, and until each labeled image has been seen, the prediction stands alone, as in the
    authors' code.
    """

    class Params(MethodParams):
        name: Literal["simmatch"] = "simmatch"
        threshold: float = confidence_threshold()
        unlabeled_weight: float = unlabeled_weight()
        unlabeled_ratio: int = unlabeled_ratio()
        instance_weight: float = param(
            1.0, ge=0, le=100, symbol="λ_in", live=True, help="Weight of the loss on similarities to labeled images."
        )
        temperature: float = param(0.1, gt=0, le=10, symbol="t", live=True, help="Divides the cosines of embeddings.")
        smoothing: float = param(
            0.9, ge=0, le=1, symbol="α", live=True, help="Share of the prediction itself; the rest is the neighbors'."
        )
        memory_decay: float = param(
            0.7, ge=0, lt=1, symbol="m", advanced=True, help="Decay of each labeled image's embedding in the memory."
        )
        projection_size: int = param(128, ge=2, le=8192, advanced=True, help="Dimensions of an embedding.")

    title = "SimMatch"
    summary = "Two views must agree on the class, and on which labeled images they resemble."
    idea = (
        "Compare each unlabeled image with all labeled ones. Which it resembles corrects its pseudo-label, and its"
        " strong view must resemble the same ones."
    )
    formula = (
        r"q^{in}_i \propto q_i\, p_{c(i)}, \quad \hat p = \alpha p + (1 - \alpha) \sum_{i: c(i) = c} q_i, \quad L = L_s"
        r" + \lambda\, 1[\max \hat p \geq \tau]\, H(\hat p, p(y \mid A(u))) + \lambda_{in}\, H(q^{in}, q(A(u)))"
    )
    paper = "Zheng et al. 2022, arXiv:2203.06915"
    views_caption = "The pairs it compared: the weak view gives the label, the strong view must agree"
    recent_batches = 256
    metrics = (INSTANCES,)

    def __init__(self, params: Params, backbone: Backbone, problem: TaskSpec) -> None:
        super().__init__(params, backbone, problem)
        count = problem.counts.get("labeled", 0)
        self.memory: Tensor
        self.memory_labels: Tensor
        self.register_buffer("memory", F.normalize(torch.randn(count, params.projection_size)))  # by labeled row
        self.register_buffer("memory_labels", torch.full((count,), -1))

    def streams(self) -> dict[str, Stream]:
        size = self.problem.batch_size
        pair = {"weak": View("weak"), "strong": View("strong")}
        return {
            "labeled": Stream("labeled", size, {"weak": View("weak")}),
            "unlabeled": Stream("unlabeled", size * self.params.unlabeled_ratio, pair),
        }

    def step(self, batch: Batch, now: StepContext) -> StepResult:
        labeled, unlabeled = batch["labeled"], batch["unlabeled"]
        logits, embedded = self.look(labeled.weak, unlabeled.weak, unlabeled.strong)
        logits_x, logits_w, logits_s = logits
        embedded_x, embedded_w, embedded_s = embedded
        predictions = self.align(logits_w.detach().softmax(1))
        ready = (self.memory_labels >= 0).all() & (now.epoch > 0)
        soft, similar = self.calibrate(predictions, self.similarities(embedded_w.detach()).softmax(1))
        soft = torch.where(ready, soft, predictions)

        loss_x = F.cross_entropy(logits_x, labeled.known_labels)
        loss_u, learned = self.learn(unlabeled.ids, soft, logits_s)
        loss_i = ready * -(similar * self.similarities(embedded_s).log_softmax(1)).sum(1).mean()
        self.remember(labeled.rows, embedded_x.detach(), labeled.known_labels)
        return StepResult(
            loss_x + self.params.unlabeled_weight * loss_u + self.params.instance_weight * loss_i,
            {
                "loss/labeled": loss_x.detach(),
                "loss/unlabeled": loss_u.detach(),
                "loss/instances": loss_i.detach(),
                "mask_rate": learned.weight.mean(),
            },
            learned,
        )

    def similarities(self, embedded: Tensor) -> Tensor:
        """Cosines [U, n] to the labeled images' embeddings, over the temperature, as they are before this step."""
        # A copy, because the memory moves on before the backward pass.
        similar: Tensor = embedded.float() @ self.memory.T.clone() / self.params.temperature
        return similar

    def calibrate(self, predictions: Tensor, similar: Tensor) -> tuple[Tensor, Tensor]:
        """predictions [U, K] and similarities [U, n], rows that sum to 1, each corrected by the other (eq. 7 to 10)."""
        classes = F.one_hot(self.memory_labels.clamp_min(0), self.problem.classes).to(predictions.dtype)  # [n, K]
        alpha = self.params.smoothing
        soft = alpha * predictions + (1 - alpha) * similar.to(predictions.dtype) @ classes
        unfolded = similar * (predictions @ classes.T)
        return soft, unfolded / unfolded.sum(1, keepdim=True).clamp_min(1e-12)

    def remember(self, rows: Tensor, embedded: Tensor, labels: Tensor) -> None:
        """Move the labeled images' embeddings toward those of this step."""
        decay = self.params.memory_decay
        moved = F.normalize(decay * self.memory[rows] + (1 - decay) * embedded.to(self.memory.dtype))
        scatter_last_(self.memory, rows, moved)
        scatter_last_(self.memory_labels, rows, labels)
