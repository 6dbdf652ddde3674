"""all_candidates: every candidate counts as equally true, for ever: the baseline beside every partial-label method."""

from __future__ import annotations

from typing import ClassVar, Literal

from engine.config.parts import MethodParams
from engine.methods.base.batch import Batch, Stream, View
from engine.methods.base.classifier_method import ClassifierMethod
from engine.methods.base.context import StepContext
from engine.methods.base.method import StepResult
from engine.methods.parts.losses import soft_cross_entropy
from engine.registry import methods


@methods.register
class AllCandidates(ClassifierMethod):
    """Cross-entropy against the uniform distribution over each image's candidates ("naive" in Lv et al. 2020,
    arXiv:2002.08053).

    PRODEN with its weights frozen at their start. Batch norm's statistics come from the weak views of the batch.
    """

    class Params(MethodParams):
        name: Literal["all_candidates"] = "all_candidates"

    title = "All candidates true"
    summary = "Treats every candidate label as equally true: the baseline to beat with ambiguous labels."
    idea = (
        "Train on the uniform distribution over each image's candidates. Wrong candidates differ from image to image,"
        " so the true class stands out a little."
    )
    formula = r"L = -\frac{1}{B}\sum_b \frac{1}{|S_b|}\sum_{j \in S_b} \log p_j(\alpha(x_b))"
    paper = "the naive baseline of Lv et al. 2020, arXiv:2002.08053"
    supervision: ClassVar[set[str]] = {"partial"}
    headline = ("test/accuracy", "candidates/identified", "candidates/ambiguity")

    def streams(self) -> dict[str, Stream]:
        return {"all": Stream("all", self.problem.batch_size, {"weak": View("weak")})}

    def step(self, batch: Batch, now: StepContext) -> StepResult:
        part = batch["all"]
        (logits,) = self.classifier.logits(part.weak)
        candidates = part.known_candidates
        loss = soft_cross_entropy(logits, candidates / candidates.sum(1, keepdim=True))
        return StepResult(loss, {"loss/labeled": loss.detach()})
