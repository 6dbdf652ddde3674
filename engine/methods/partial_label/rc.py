"""rc: candidates weigh as much as the network gives them, asked again after each step."""

from __future__ import annotations

from typing import Literal

import torch

from engine.config.parts import MethodParams
from engine.methods.base.batch import Batch
from engine.methods.base.context import StepContext
from engine.methods.base.method import StepResult
from engine.methods.partial_label.candidate_method import CandidateMethod
from engine.methods.parts.batch_norm import bn_stats_frozen
from engine.methods.parts.candidate_table import heaviest_candidates
from engine.methods.parts.losses import restricted_softmax, soft_cross_entropy
from engine.methods.parts.memory_table import scatter_last_
from engine.registry import methods


@methods.register
class RC(CandidateMethod):
    """RC, risk-consistent partial-label learning (Feng et al. 2020, arXiv:2007.08929, algorithm 1): PRODEN's loss, with
    weights from a second forward pass after the update, in train mode as in the authors' code.

    The paper's factor of ½ belongs to its sum over all classes; with the sum over the candidates it is 1. Batch norm's
    statistics come from the first pass; the second normalizes with the batch and leaves the running statistics alone,
    which the authors' code moves a second time. The theorem assumes that candidate sets are uniform. The authors
    augment nothing; the weak view is ours, and can be turned off in its settings.
    """

    class Params(MethodParams):
        name: Literal["rc"] = "rc"

    title = "RC"
    summary = "PRODEN with weights from a second look at each batch, after the update; the risk is consistent."
    idea = (
        "Train on the candidates, each weighted by how likely the network found it. After the step, ask the changed"
        " network for the weights of the same images again."
    )
    formula = (
        r"L = -\frac{1}{B}\sum_b \sum_{j \in S_b} w_{bj} \log p_j(\alpha(x_b);\, \theta_t), \qquad w_{bj} \leftarrow"
        r" \frac{p_j(\alpha(x_b);\, \theta_{t+1})}{\sum_{k \in S_b} p_k(\alpha(x_b);\, \theta_{t+1})}"
    )
    paper = "Feng et al. 2020, arXiv:2007.08929"

    def step(self, batch: Batch, now: StepContext) -> StepResult:
        part = batch["all"]
        (logits,) = self.classifier.logits(part.weak)
        weights = self.weights[part.rows]
        loss = soft_cross_entropy(logits, weights)
        believed = heaviest_candidates(part.ids, part.known_candidates, weights)
        return StepResult(loss, {"loss/labeled": loss.detach()}, believed)

    @torch.no_grad()
    def after_update(self, batch: Batch, now: StepContext) -> None:
        part = batch["all"]
        with bn_stats_frozen(self.classifier):
            (logits,) = self.classifier.logits(part.weak)
        scatter_last_(self.weights, part.rows, restricted_softmax(logits, part.known_candidates))
