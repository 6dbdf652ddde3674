"""supervised: the labeled images alone, the baseline beside every other method."""

from __future__ import annotations

from typing import Literal

from torch.nn import functional as F

from engine.config.parts import MethodParams
from engine.methods.base.batch import Batch, Stream, View
from engine.methods.base.classifier_method import ClassifierMethod
from engine.methods.base.context import StepContext
from engine.methods.base.method import StepResult
from engine.registry import methods


@methods.register
class Supervised(ClassifierMethod):
    """Cross-entropy on weakly augmented labeled images; the unlabeled ones are not used. Batch norm's statistics
    come from that batch.
    """

    class Params(MethodParams):
        name: Literal["supervised"] = "supervised"

    title = "Supervised"
    summary = "Learns from the labeled images only: the baseline to beat."
    idea = "Show the network each labeled image, slightly shifted, and train its prediction toward the label."
    formula = r"L = \frac{1}{B}\sum_b H(y_b,\; p(y \mid \alpha(x_b)))"
    paper = (
        "Oliver et al. 2018, Realistic Evaluation of Deep Semi-Supervised Learning Algorithms, arXiv:1804.09170: why"
        " this baseline stands beside every other method"
    )

    def streams(self) -> dict[str, Stream]:
        return {"labeled": Stream("labeled", self.problem.batch_size, {"weak": View("weak")})}

    def step(self, batch: Batch, now: StepContext) -> StepResult:
        (logits,) = self.classifier.logits(batch["labeled"].weak)
        loss = F.cross_entropy(logits, batch["labeled"].known_labels)
        return StepResult(loss, {"loss/labeled": loss.detach()})
