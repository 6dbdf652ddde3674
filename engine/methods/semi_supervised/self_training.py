"""self_training: label the pool, learn again with those labels too, label it again."""

from __future__ import annotations

from typing import ClassVar, Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.backbones.backbone import Backbone
from engine.config.parts import MethodParams
from engine.config.settings import param
from engine.methods.base.batch import Batch, PseudoLabels, Stream, View
from engine.methods.base.classifier_method import ClassifierMethod
from engine.methods.base.context import StepContext, TaskSpec
from engine.methods.base.method import PoolPass, StepResult
from engine.methods.parts.ema import frozen_copy
from engine.methods.parts.losses import masked_cross_entropy
from engine.methods.parts.memory_table import scatter_last_
from engine.methods.parts.most_confident import most_confident
from engine.registry import methods

NO_LABEL = -1


@methods.register
class SelfTraining(ClassifierMethod):
    """Self-training (Scudder 1965; Yarowsky 1995), in rounds: fit to the labels, label the images whose prediction is
    above a threshold or among the best, fit again to both, and so on; the last round ends with a fit.

    By default it is Curriculum Labeling (Cascante-Bonilla et al. 2021, arXiv:2001.06001): each round begins again from
    the initial weights, labels the whole pool anew and keeps a larger share of it, at last all of it. With `revise`
    off, a label once accepted stays, and `select` chooses between the two rules of scikit-learn's
    SelfTrainingClassifier: threshold is its `threshold` (strictly above), best its `k_best`, with k as a share of the
    pool. The loss is the mean over the images that have a label, given or accepted, estimated from a batch of each
    kind, so an accepted label counts as much as a given one at λ = 1. Predictions for the labels are made without
    augmentation by the trained network, not its average. Both batches go through one forward pass.
    """

    class Params(MethodParams):
        name: Literal["self_training"] = "self_training"
        rounds: int = param(
            6, ge=2, le=100, symbol="R", help="Times that it is fitted; before each but the first the pool is labeled."
        )
        select: Literal["best", "threshold"] = param(
            "best",
            help=(
                "Which predictions become labels. best: the most confident ones, a larger share in each round."
                " threshold: those above a confidence."
            ),
        )
        portion: float = param(
            0.2,
            gt=0,
            le=1,
            symbol="Δ",
            help="best: share of the pool by which the labels grow in each round; 0.2 reaches all of it after five.",
        )
        threshold: float = param(
            0.75, ge=0, le=1, symbol="τ", help="threshold: the confidence above which a prediction becomes a label."
        )
        threshold_end: float | None = param(
            None,
            ge=0,
            le=1,
            empty="constant",
            help="threshold: its value before the last round, reached in equal steps. Empty: constant.",
        )
        balanced: bool = param(
            False,
            help=(
                "best: the same number of each predicted class, as far as there are so many; for classes that are"
                " equally frequent."
            ),
        )
        revise: bool = param(True, help="Label the whole pool anew in each round. Off: a label once accepted is kept.")
        restart: bool = param(True, help="Begin each round from the initial weights. Off: go on with the trained ones.")
        unlabeled_weight: float = param(
            1.0, ge=0, le=100, symbol="λ", live=True, help="Weight of an accepted label beside a given one."
        )
        unlabeled_ratio: int = param(
            4, ge=1, le=64, symbol="μ", help="Images of the pool in a step for each labeled one."
        )

    title = "Self-training"
    summary = "Labels the pool in rounds, each learned from the start with the labels of the round before."
    idea = (
        "Train on the labels. Label the images that the network is most confident about, and start again with those"
        " labels too, round by round with more of them."
    )
    formula = (
        r"L = \frac{\sum_{i \in \mathcal{L}} H(y_i, p(x_i)) + \lambda \sum_{u \in \mathcal{A}} H(\hat y_u, p(x_u))}"
        r"{|\mathcal{L}| + \lambda |\mathcal{A}|}, \qquad \mathcal{A} = \{u : \max p(x_u) > \tau_r\}"
    )
    paper = (
        "Yarowsky 1995, Unsupervised Word Sense Disambiguation Rivaling Supervised Methods; Cascante-Bonilla et al."
        " 2021, arXiv:2001.06001"
    )
    headline: ClassVar[tuple[str, ...]] = ("test/accuracy", "mask_rate", "pseudo_label/accuracy")
    params: Params

    def __init__(self, params: Params, backbone: Backbone, problem: TaskSpec) -> None:
        super().__init__(params, backbone, problem)
        self.untrained = frozen_copy(self.classifier)
        self.labels: Tensor
        self.confidence: Tensor
        self.labeled_ids: Tensor
        # Without a count, in a model that only answers, there is no pool to label.
        pool, labeled = problem.counts.get("unlabeled", 0), problem.counts.get("labeled", 0)
        self.register_buffer("labels", torch.full((pool,), NO_LABEL))  # accepted ones, by row of the pool
        self.register_buffer("confidence", torch.zeros(pool))
        self.register_buffer("labeled_ids", torch.full((labeled,), NO_LABEL))  # the pool holds these images too

    def rounds(self) -> int:
        return self.params.rounds

    def begin_round(self, number: int, now: StepContext, pool: PoolPass) -> None:
        if number == 0:
            return
        _, probabilities = pool.predict(self.classifier)
        assert probabilities is not None  # a classifier has logits
        given = torch.isin(pool.ids, self.labeled_ids.cpu())
        accepted = accept(probabilities, given, self.labels.cpu(), self.confidence.cpu(), number, self.params)
        self.labels.copy_(accepted.labels)
        self.confidence.copy_(accepted.confidence)
        if self.params.restart:
            self.classifier.load_state_dict(self.untrained.state_dict())

    def streams(self) -> dict[str, Stream]:
        size, weak = self.problem.batch_size, {"weak": View("weak")}
        return {
            "labeled": Stream("labeled", size, weak),
            "unlabeled": Stream("unlabeled", size * self.params.unlabeled_ratio, weak),
        }

    def step(self, batch: Batch, now: StepContext) -> StepResult:
        labeled, unlabeled = batch["labeled"], batch["unlabeled"]
        scatter_last_(self.labeled_ids, labeled.rows, labeled.ids)
        logits_x, logits_u = self.classifier.logits(labeled.weak, unlabeled.weak)
        labels = self.labels[unlabeled.rows]
        used = labels != NO_LABEL
        loss_x = F.cross_entropy(logits_x, labeled.known_labels)
        loss_u = masked_cross_entropy(logits_u, labels.clamp_min(0), used)
        # Means over batches to the mean over all images that have a label.
        given, pool, weight = len(self.labeled_ids), len(self.labels), self.params.unlabeled_weight
        accepted = (self.labels != NO_LABEL).sum()
        loss = (given * loss_x + weight * pool * loss_u) / (given + weight * accepted)
        scalars = {"loss/labeled": loss_x.detach(), "loss/unlabeled": loss_u.detach(), "mask_rate": used.float().mean()}
        confidence = self.confidence[unlabeled.rows]
        return StepResult(loss, scalars, PseudoLabels(unlabeled.ids, labels.clamp_min(0), confidence, used.float()))


class Accepted(NamedTuple):
    """labels: int64 [n], -1 where none. confidence: float [n], of the prediction when it was made."""

    labels: Tensor
    confidence: Tensor


def accept(
    probabilities: Tensor, given: Tensor, labels: Tensor, confidence: Tensor, number: int, params: SelfTraining.Params
) -> Accepted:
    """The labels of the pool before round `number`, 1 to rounds - 1.

    probabilities: float [n, K], of this round. given: bool [n], images whose label is known: never accepted. labels and
    confidence: those accepted before, int64 [n] with -1 where none, and float [n].
    """
    predicted_confidence, predicted = probabilities.max(1)
    kept = torch.zeros_like(given) if params.revise else labels != NO_LABEL
    open_rows = torch.nonzero(~(given | kept)).squeeze(1)
    if params.select == "threshold":
        end = params.threshold if params.threshold_end is None else params.threshold_end
        share = (number - 1) / max(1, params.rounds - 2)
        threshold = params.threshold + (end - params.threshold) * share
        new = open_rows[predicted_confidence[open_rows] > threshold]
    else:
        grown = params.portion * (number if params.revise else 1)
        count = min(len(open_rows), round(grown * int((~given).sum())))
        classes = probabilities.shape[1] if params.balanced else 1
        new = most_confident(open_rows, predicted_confidence, predicted, count, classes)
    after = torch.where(kept, labels, NO_LABEL)
    after[new] = predicted[new]
    return Accepted(after, torch.where(kept, confidence, predicted_confidence))
