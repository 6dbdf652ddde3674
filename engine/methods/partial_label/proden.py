"""proden: which candidate is the true one is decided little by little, by the network that learns from the decision."""

from __future__ import annotations

from typing import Literal

from engine.config.parts import MethodParams
from engine.methods.base.batch import Batch
from engine.methods.base.context import StepContext
from engine.methods.base.method import StepResult
from engine.methods.partial_label.candidate_method import CandidateMethod
from engine.methods.parts.candidate_table import heaviest_candidates
from engine.methods.parts.losses import restricted_softmax, soft_cross_entropy
from engine.methods.parts.memory_table import scatter_last_
from engine.registry import methods


@methods.register
class Proden(CandidateMethod):
    """PRODEN: progressive identification of the true label (Lv et al. 2020, arXiv:2002.08053, algorithm 1).

    Each image keeps a distribution over its candidates, uniform at first. A step's loss uses the stored weights; the
    new ones are the network's probabilities of the same forward pass, restricted to the candidates, and serve the next
    pass over the data. Updating first would be another method: its gradient is that of CC (Feng et al. 2020). Batch
    norm's statistics come from the weak views of the batch. The authors augment nothing; the weak view is ours, and can
    be turned off in its settings.
    """

    class Params(MethodParams):
        name: Literal["proden"] = "proden"

    title = "PRODEN"
    summary = "Identifies which of the candidate labels is the true one while it learns."
    idea = (
        "Start with equal weights on all candidates. After each pass over an image, shift weight to the candidates that"
        " the network finds likely, and train on these weights in the next pass."
    )
    formula = (
        r"L = -\frac{1}{B}\sum_b \sum_{j \in S_b} w_{bj} \log p_j(\alpha(x_b)), \qquad w_{bj} \leftarrow"
        r" \frac{p_j}{\sum_{k \in S_b} p_k}"
    )
    paper = "Lv et al. 2020, arXiv:2002.08053"

    def step(self, batch: Batch, now: StepContext) -> StepResult:
        part = batch["all"]
        candidates = part.known_candidates  # [B, K]
        (logits,) = self.classifier.logits(part.weak)
        loss = soft_cross_entropy(logits, self.weights[part.rows])
        updated = restricted_softmax(logits.detach(), candidates)
        scatter_last_(self.weights, part.rows, updated)
        believed = heaviest_candidates(part.ids, candidates, updated)
        return StepResult(loss, {"loss/labeled": loss.detach()}, believed)
