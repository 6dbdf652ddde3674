"""fine_tune: go on from weights that know something, changing most what is nearest to the answer."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from torch.nn import functional as F

from engine.config.parts import MethodParams
from engine.config.settings import param
from engine.methods.base.batch import Batch, Stream, View
from engine.methods.base.classifier_method import ClassifierMethod
from engine.methods.base.context import StepContext
from engine.methods.base.method import Group, StepResult
from engine.registry import methods


@methods.register
class FineTune(ClassifierMethod):
    """Fine-tuning with a learning rate per stage and gradual unfreezing (both Howard & Ruder 2018, ULMFiT,
    arXiv:1801.06146, sections 3.2, 3.3).

    The head trains from the start. The backbone's stages open one after the other, from the top, evenly over the first
    `unfreezing` of the run; a stage that is still closed is in eval mode and gets no gradient. Each stage below the top
    has the learning rate of the one above times `layer_decay`; the paper divides by 2.6. Batch norm of open stages
    takes its statistics from the weak views of the batch.
    """

    class Params(MethodParams):
        name: Literal["fine_tune"] = "fine_tune"
        layer_decay: float = param(
            0.5,
            gt=0,
            le=1,
            symbol="ξ",
            help="Learning rate of each stage as a share of the one above it: low stages are general and change least.",
        )
        unfreezing: float = param(
            0.3,
            ge=0,
            le=1,
            help=(
                "Share of the run over which the stages are unfrozen, one after the other from the top; 0: all at once."
            ),
        )

    title = "Fine-tuning"
    summary = "Continues from an earlier run's features, with the labels there are."
    idea = (
        "Put a new head on features that were learned before. Train the head first, then unfreeze one stage after the"
        " other from the top, the lower ones with smaller learning rates."
    )
    formula = r"\eta_l = \eta\, \xi^{\,L-l}"
    paper = "Howard & Ruder 2018, arXiv:1801.06146"
    recommended: ClassVar[dict[str, Any]] = {"optimizer": {"name": "sgd", "lr": 0.05}}
    transfers = True
    params: Params

    def groups(self) -> list[Group]:
        stages = [stage for stage in reversed(self.backbone.stages()) if any(True for _ in stage.parameters())]
        groups = [Group([self.classifier.head])]
        for depth, stage in enumerate(stages, 1):
            groups.append(
                Group(
                    [stage],
                    self.params.layer_decay ** (depth - 1),
                    from_progress=self.params.unfreezing * depth / len(stages),
                )
            )
        return groups

    def streams(self) -> dict[str, Stream]:
        return {"labeled": Stream("labeled", self.problem.batch_size, {"weak": View("weak")})}

    def step(self, batch: Batch, now: StepContext) -> StepResult:
        (logits,) = self.classifier.logits(batch["labeled"].weak)
        loss = F.cross_entropy(logits, batch["labeled"].known_labels)
        return StepResult(loss, {"loss/labeled": loss.detach()})
