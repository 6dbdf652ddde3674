"""self_training_probe: a linear layer on frozen features that goes on with its own most confident predictions."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch

from engine.config.settings import param
from engine.methods.base.batch import PseudoLabels
from engine.methods.base.context import StepContext
from engine.methods.base.method import PoolData, StepResult
from engine.methods.parts.most_confident import most_confident
from engine.methods.transfer.linear_probe import LinearProbeMethod, ProbeParams
from engine.registry import methods


@methods.register
class SelfTrainingProbe(LinearProbeMethod):
    """Self-training (Yarowsky 1995) of a linear probe on frozen features, with the growing share of Curriculum Labeling
    (Cascante-Bonilla et al. 2021, arXiv:2001.06001, algorithm 1).

    Round 0 is the linear probe. Before round r, each unlabeled image is predicted by the layer of the round before, and
    the most confident share r / (rounds - 1) of them gets its prediction as label; the layer is fitted anew to those
    and the given labels, all with weight 1. Labels are revised in every round.
    """

    class Params(ProbeParams):
        name: Literal["self_training_probe"] = "self_training_probe"
        rounds: int = param(5, ge=2, le=100, help="Fits of the layer; the last one has every unlabeled image.")
        share: float = param(
            1.0, gt=0, le=1, help="Share of the unlabeled images that have a pseudo-label in the last round."
        )
        balanced: bool = param(
            False,
            help="The same number of each predicted class, as far as there are so many; for equally frequent classes.",
        )

    title = "Self-training probe"
    summary = "A linear layer on frozen features that learns from its own most confident predictions, round by round."
    idea = (
        "Fit a linear layer to the labels. Label the images that it is most confident about, and fit it again, in each"
        " round with more of them."
    )
    formula = (
        r"\min_{W}\; \frac{1}{2}\|W\|^2 + C \Big(\sum_{i \in \mathcal{L}} H(y_i, p_W(x_i)) + \sum_{u \in"
        r" \mathcal{A}_r} H(\hat y_u, p_W(x_u))\Big)"
    )
    paper = (
        "Yarowsky 1995, Unsupervised Word Sense Disambiguation Rivaling Supervised Methods; Cascante-Bonilla et al."
        " 2021, arXiv:2001.06001"
    )
    recommended: ClassVar[dict[str, Any]] = {"budget": {"steps": 100, "evaluate_every": 1}}
    headline: ClassVar[tuple[str, ...]] = ("test/accuracy", "mask_rate", "pseudo_label/accuracy")
    params: Params

    def prepare(self, fitting: PoolData) -> None:
        super().prepare(fitting)
        self._all = self.probe.scaled(fitting.features.to(self.probe.center.device))  # [N, D]
        self._given, self._ids = fitting.labels, fitting.ids

    def iterate(self, now: StepContext) -> StepResult:
        # What a round accepts follows from the layer of the round before: nothing else needs saving.
        labels = self._given.clone()
        confidence, predicted = self.probe.head(self._all).softmax(1).cpu().max(1)
        hidden = torch.nonzero(self._given < 0).squeeze(1)
        progress = now.step / (self.params.rounds - 1)
        count = round(self.params.share * progress * len(hidden))
        classes = self.problem.classes if self.params.balanced else 1
        accepted = most_confident(hidden, confidence, predicted, count, classes)
        labels[accepted] = predicted[accepted]
        known = labels >= 0
        loss = self.fit(self._all.cpu().numpy()[known.numpy()], labels[known].numpy())
        used = torch.zeros(len(labels))
        used[accepted] = 1.0
        return StepResult(
            torch.tensor(0.0),
            {"loss/labeled": loss, "mask_rate": used[hidden].mean() if len(hidden) else torch.tensor(0.0)},
            PseudoLabels(self._ids[hidden], predicted[hidden], confidence[hidden], used[hidden]),
            converged=now.step >= self.params.rounds - 1,
        )
