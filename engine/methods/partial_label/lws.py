"""lws: push the likeliest candidate up and the likeliest other label down, and leave open how much each counts."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.backbones.backbone import Backbone
from engine.config.parts import MethodParams
from engine.config.settings import param
from engine.errors import ShapeError
from engine.methods.base.batch import Batch, Stream, View
from engine.methods.base.classifier_method import ClassifierMethod
from engine.methods.base.context import StepContext, TaskSpec
from engine.methods.base.method import StepResult
from engine.methods.parts.batch_norm import bn_stats_frozen
from engine.methods.parts.candidate_table import candidate_sets, heaviest_candidates, split_softmax
from engine.methods.parts.memory_table import scatter_last_
from engine.metrics import Metric
from engine.registry import methods


@methods.register
class LWS(ClassifierMethod):
    """The leveraged weighted loss (Wen et al. 2021, arXiv:2106.05731): a binary loss for every label, of candidates as
    true and of all others as false, weighted by the network's probabilities within each of the two groups.

    All weights begin at 1/K. They are asked for again after each step, by a second forward pass in train mode, as in
    the authors' code of today; their first release took the probabilities of the step's own pass, as PRODEN does. The
    second pass leaves batch norm's running statistics alone. The sigmoid loss reads raw logits and is bounded: where
    all logits turn negative it saturates and training stalls, which the curve of negative logits shows. Few candidates,
    a network with batch norm and a leverage of 1 are the safest. With the logarithmic loss it is the paper's LWC, which
    does not saturate.
    """

    class Params(MethodParams):
        name: Literal["lws"] = "lws"
        leverage: float = param(
            1.0,
            ge=0,
            le=10,
            symbol="β",
            live=True,
            help="Weight of the labels that are no candidates; the paper tries 1 and 2, and 0 leaves them out.",
        )
        loss: Literal["sigmoid", "logarithmic"] = param(
            "sigmoid",
            help=(
                "What one label costs. sigmoid: σ(-z) as true and σ(z) as false, the paper's LWS. logarithmic: -log p"
                " and -log(1 - p), its LWC."
            ),
        )
        weights_from: Literal["second_pass", "same_pass"] = param(
            "second_pass",
            advanced=True,
            help=(
                "second_pass: weights come from another forward pass after each step, as in the authors' code."
                " same_pass: from the step's own, as in their first release."
            ),
        )

    title = "LWS"
    summary = "Leveraged weighted loss: also learns from the labels that are no candidates."
    idea = (
        "An image is none of the labels outside of its set. Push the likeliest candidates up and the likeliest of the"
        " others down, each in proportion to how likely the network finds it."
    )
    formula = (
        r"L = \frac{1}{B}\sum_b \Big( \sum_{j \in S_b} w_{bj}\, \psi(z_j) + \beta \sum_{j \notin S_b} w_{bj}\,"
        r" \psi(-z_j) \Big), \quad \psi(t) = \sigma(-t)"
    )
    paper = "Wen et al. 2021, arXiv:2106.05731"
    supervision: ClassVar[set[str]] = {"partial"}
    headline = ("test/accuracy", "candidates/identified", "lws/all_negative")
    metrics = (
        Metric(
            "lws/all_negative",
            "No positive logit",
            "Share of a step's images for which every logit is negative. Near 100 %, the bounded loss has saturated and"
            " training stalls: lower β or the learning rate.",
            better="lower",
            chart="share",
        ),
    )
    params: Params

    def __init__(self, params: Params, backbone: Backbone, problem: TaskSpec) -> None:
        super().__init__(params, backbone, problem)
        self.sets: Tensor
        self.weights: Tensor
        sets = candidate_sets(problem)
        self.register_buffer("sets", sets, persistent=False)  # [n, K], as the data has them
        self.register_buffer("weights", torch.full(sets.shape, 1 / problem.classes))  # [n, K], over all labels

    def candidate_weights(self) -> Tensor:
        inside = self.weights * self.sets
        return inside / inside.sum(1, keepdim=True)  # at the start they sum to |S| / K

    def streams(self) -> dict[str, Stream]:
        return {"all": Stream("all", self.problem.batch_size, {"weak": View("weak")})}

    def step(self, batch: Batch, now: StepContext) -> StepResult:
        part = batch["all"]
        candidates = part.known_candidates  # [B, K]
        (logits,) = self.classifier.logits(part.weak)
        weighted = leveraged_loss if self.params.loss == "sigmoid" else leveraged_log_loss
        loss = weighted(logits, candidates, self.weights[part.rows], self.params.leverage)
        probabilities = split_softmax(logits.detach(), candidates)
        if self.params.weights_from == "same_pass":
            scatter_last_(self.weights, part.rows, probabilities)
        scalars = {
            "loss/labeled": loss.detach(),
            "lws/all_negative": (logits.detach().max(1).values < 0).float().mean(),
        }
        believed = heaviest_candidates(part.ids, candidates, probabilities * candidates)
        return StepResult(loss, scalars, believed)

    @torch.no_grad()
    def after_update(self, batch: Batch, now: StepContext) -> None:
        if self.params.weights_from == "same_pass":
            return
        part = batch["all"]
        with bn_stats_frozen(self.classifier):
            (logits,) = self.classifier.logits(part.weak)
        scatter_last_(self.weights, part.rows, split_softmax(logits, part.known_candidates))


def leveraged_loss(logits: Tensor, candidates: Tensor, weights: Tensor, leverage: float) -> Tensor:
    """Sum over candidates of w·σ(-z), plus leverage times the sum over the others of w·σ(z), averaged over rows: LWS.

    logits: [B, K], any float type, computed in float32 or better. candidates: bool [B, K]. weights: float [B, K]; no
    gradient flows into them. Returns a scalar. Raises ShapeError if the three differ in shape.
    """
    logits = _checked(logits, candidates, weights)
    costs = torch.where(candidates, torch.sigmoid(-logits), leverage * torch.sigmoid(logits))
    return (weights.detach() * costs).sum(1).mean()


def leveraged_log_loss(logits: Tensor, candidates: Tensor, weights: Tensor, leverage: float) -> Tensor:
    """The same with -log p for candidates and -log(1 - p) for the others, in nats: LWC."""
    logits = _checked(logits, candidates, weights)
    log_p = F.log_softmax(logits, 1)
    top = logits.argmax(1, keepdim=True)
    # Where the network is sure, 1 - p of its first choice would round to 0: there the others are added up instead.
    rest = logits.scatter(1, top, -torch.inf).logsumexp(1, keepdim=True) - logits.logsumexp(1, keepdim=True)
    log_other = torch.log1p(-log_p.exp().scatter(1, top, 0.0)).scatter(1, top, rest)
    costs = torch.where(candidates, -log_p, -leverage * log_other)
    return (weights.detach() * costs).sum(1).mean()


def _checked(logits: Tensor, candidates: Tensor, weights: Tensor) -> Tensor:
    if not logits.shape == candidates.shape == weights.shape:
        raise ShapeError(
            f"logits, candidates and weights must have one shape, but have {list(logits.shape)},"
            f" {list(candidates.shape)} and {list(weights.shape)}."
        )
    return logits.to(torch.promote_types(logits.dtype, torch.float32))
