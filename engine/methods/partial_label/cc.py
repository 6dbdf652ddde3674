"""cc: the probability that the label is any of the candidates, whichever it is."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from engine.config.parts import MethodParams
from engine.errors import ShapeError
from engine.methods.base.batch import Batch
from engine.methods.base.context import StepContext
from engine.methods.base.method import StepResult
from engine.methods.partial_label.candidate_method import CandidateMethod
from engine.methods.parts.candidate_table import heaviest_candidates
from engine.methods.parts.losses import restricted_softmax
from engine.methods.parts.memory_table import scatter_last_
from engine.registry import methods


@methods.register
class CC(CandidateMethod):
    """CC, classifier-consistent partial-label learning (Feng et al. 2020, arXiv:2007.08929): minus the logarithm of the
    candidates' total probability.

    The loss remembers nothing. The weights that the screens show are each image's probabilities among its candidates
    when it was last trained on; no loss reads them. An image whose set holds every class has the loss 0 and teaches
    nothing. Batch norm's statistics come from the weak views of the batch. The authors augment nothing; the weak view
    is ours, and can be turned off in its settings.
    """

    class Params(MethodParams):
        name: Literal["cc"] = "cc"

    title = "CC"
    summary = "Makes the candidates together probable and leaves open which one is true; the classifier is consistent."
    idea = (
        "Add up the probabilities of an image's candidates and train that sum toward 1. Between candidates the network"
        " decides by itself, from the images whose sets differ."
    )
    formula = r"L = -\frac{1}{B}\sum_b \log \sum_{j \in S_b} p_j(\alpha(x_b))"
    paper = "Feng et al. 2020, arXiv:2007.08929"

    def step(self, batch: Batch, now: StepContext) -> StepResult:
        part = batch["all"]
        candidates = part.known_candidates  # [B, K]
        (logits,) = self.classifier.logits(part.weak)
        loss = any_candidate_loss(logits, candidates)
        weights = restricted_softmax(logits.detach(), candidates)
        scatter_last_(self.weights, part.rows, weights)  # shown and never trained on
        believed = heaviest_candidates(part.ids, candidates, weights)
        return StepResult(loss, {"loss/labeled": loss.detach()}, believed)


def any_candidate_loss(logits: Tensor, candidates: Tensor) -> Tensor:
    """Mean of -log of the candidates' total probability (Feng et al. 2020, arXiv:2007.08929).

    logits: [B, K], any float type, computed in float32 or better. candidates: bool [B, K], at least one in each row.
    Returns a scalar in nats, 0 where all labels are candidates. Raises ShapeError if the two differ in shape.
    """
    if logits.shape != candidates.shape:
        raise ShapeError(
            f"logits and candidates must have one shape, but have {list(logits.shape)} and {list(candidates.shape)}."
        )
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    # In logarithms throughout: the sum of probabilities would underflow where no candidate is likely.
    return (logits.logsumexp(1) - logits.masked_fill(~candidates, -torch.inf).logsumexp(1)).mean()
