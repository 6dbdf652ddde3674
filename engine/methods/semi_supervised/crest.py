"""crest: FixMatch in generations, each with new labels that make up for rare classes."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

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
from engine.methods.parts.mixing import align
from engine.methods.parts.most_confident import most_confident
from engine.methods.parts.recent_mean import RecentMean
from engine.methods.semi_supervised.shared_settings import confidence_threshold, unlabeled_ratio, unlabeled_weight
from engine.metrics import Metric
from engine.registry import methods

NO_LABEL = -1
RECENT_BATCHES = 128
ACCEPTED = Metric(
    "accepted/share",
    "Labels of its own",
    "Share of the unlabeled images of a step that were given a label at the beginning of the generation.",
    better=None,
    chart="share",
    legend="labels of its own",
)


@methods.register
class CReST(ClassifierMethod):
    """CReST+: class-rebalancing self-training for long tails (Wei et al. 2021, arXiv:2102.09559), on FixMatch.

    After each generation the network labels the pool. Classes are ranked by how many labels they have; of the images
    predicted as class l, the share μ_l = (N_{L+1-l} / N_1)^α of the most confident ones joins the labels: all of the
    rarest class, as predictions of a rare class are seldom wrong, and few of the most frequent one. The next
    generation begins from the initial weights, without the accepted labels of those before. Within a generation,
    FixMatch's predictions are aligned to the labels' own distribution to the power of t, which falls from 1 in the
    first to t_min in the last generation (progressive distribution alignment; off: CReST).

    Read in the authors' code (google-research/crest): ranks and rounding down, α as the exponent 1/3, t by generation,
    1e-6 beside both distributions. There labels are drawn from the given and the accepted ones together; here the loss
    is the mean over both, estimated from a batch of each kind. There the class distribution is that by which the data
    was made; here that of the labels. Predictions for labels are made without augmentation by the trained network, not
    its average. All views go through one forward pass. The average of predictions is over 128 batches.
    """

    class Params(MethodParams):
        name: Literal["crest"] = "crest"
        accepted_weight: float = param(
            1.0,
            ge=0,
            le=100,
            symbol="λ_a",
            live=True,
            help="Weight of an accepted label beside a given one; the paper makes no difference.",
        )
        threshold: float = confidence_threshold()
        unlabeled_weight: float = unlabeled_weight()
        unlabeled_ratio: int = unlabeled_ratio()
        generations: int = param(
            6, ge=2, le=100, symbol="G", help="Times that it is trained; before each but the first the pool is labeled."
        )
        rate: float = param(
            1 / 3,
            ge=0,
            le=10,
            symbol="α",
            help="How strongly labels favor rare classes: 0 accepts every prediction, a large one only rare classes.",
        )
        distribution_alignment: bool = param(
            True, help="Align predictions to the labels' class distribution, made more even in each generation."
        )
        alignment_end: float = param(
            0.5,
            ge=0,
            le=1,
            symbol="t_min",
            advanced=True,
            help="Power of the labels' class distribution in the last generation; 0 would be uniform, 1 the same.",
        )
        restart: bool = param(
            True, help="Begin each generation from the initial weights. Off: go on with the trained ones."
        )

    title = "CReST"
    summary = "FixMatch for classes of unequal frequency, in generations whose new labels favor the rare ones."
    idea = (
        "A network that has seen few images of a class names it seldom, but then rightly. Make all predictions of rare"
        " classes labels, and few of the frequent ones, and train again."
    )
    formula = (
        r"\mu_l = \Big(\frac{N_{L+1-l}}{N_1}\Big)^{\alpha}, \quad N_1 \geq \dots \geq N_L, \qquad \tilde q ="
        r" \mathrm{norm}\big(q\, p(y)^{t_g} / \tilde p(y)\big), \quad t_g = 1 - \tfrac{g}{G-1}(1 - t_{\min})"
    )
    paper = "Wei et al. 2021, arXiv:2102.09559"
    views: ClassVar[dict[str, dict[str, Any]]] = {"weak": {"name": "weak"}, "strong": {"name": "strong"}}
    headline = ("test/accuracy", "mask_rate", "pseudo_label/accuracy")
    metrics = (ACCEPTED,)
    views_caption = "The pairs it compared: the weak view gives the label, the strong view must agree"
    params: Params

    def __init__(self, params: Params, backbone: Backbone, problem: TaskSpec) -> None:
        super().__init__(params, backbone, problem)
        self.untrained = frozen_copy(self.classifier)
        self.recent = RecentMean(RECENT_BATCHES, problem.classes)
        self.labels: Tensor
        self.given: Tensor
        self.labeled_ids: Tensor
        self.power: Tensor
        # Without a count, in a model that only answers, there is no pool to label.
        pool, labeled = problem.counts.get("unlabeled", 0), problem.counts.get("labeled", 0)
        self.register_buffer("labels", torch.full((pool,), NO_LABEL))  # accepted ones, by row of the pool
        self.register_buffer("given", torch.full((labeled,), NO_LABEL))  # labels by row of the labeled images
        self.register_buffer("labeled_ids", torch.full((labeled,), NO_LABEL))  # the pool holds these images too
        self.register_buffer("power", torch.tensor(1.0))  # t_g

    def rounds(self) -> int:
        return self.params.generations

    def begin_round(self, number: int, now: StepContext, pool: PoolPass) -> None:
        if number == 0:
            return
        _, probabilities = pool.predict(self.classifier)
        assert probabilities is not None  # a classifier has logits
        unlabeled = ~torch.isin(pool.ids, self.labeled_ids.cpu())
        rates = sampling_rates(self.given_counts().cpu(), self.params.rate)
        self.labels.copy_(accept(probabilities, unlabeled, rates))
        self.power.fill_(1 - number / (self.params.generations - 1) * (1 - self.params.alignment_end))
        if self.params.restart:
            self.classifier.load_state_dict(self.untrained.state_dict())
            self.recent.load_state_dict(RecentMean(RECENT_BATCHES, self.problem.classes).state_dict())

    def streams(self) -> dict[str, Stream]:
        size = self.problem.batch_size
        pair = {"weak": View("weak"), "strong": View("strong")}
        return {
            "labeled": Stream("labeled", size, {"weak": View("weak")}),
            "unlabeled": Stream("unlabeled", size * self.params.unlabeled_ratio, pair),
        }

    def step(self, batch: Batch, now: StepContext) -> StepResult:
        labeled, unlabeled = batch["labeled"], batch["unlabeled"]
        scatter_last_(self.labeled_ids, labeled.rows, labeled.ids)
        scatter_last_(self.given, labeled.rows, labeled.known_labels)
        logits_x, logits_w, logits_s = self.classifier.logits(labeled.weak, unlabeled.weak, unlabeled.strong)
        own = self.labels[unlabeled.rows]
        accepted = own != NO_LABEL
        loss_x = F.cross_entropy(logits_x, labeled.known_labels)
        loss_a = masked_cross_entropy(logits_w, own.clamp_min(0), accepted)
        # Means over batches to the mean over all images that have a label.
        given, pool, weight = len(self.given), len(self.labels), self.params.accepted_weight
        loss = (given * loss_x + weight * pool * loss_a) / (given + weight * (self.labels != NO_LABEL).sum())

        predictions = self.align(logits_w.detach().softmax(1))
        confidence, labels = predictions.max(1)
        used = confidence >= self.params.threshold
        loss_u = masked_cross_entropy(logits_s, labels, used)
        threshold = torch.full_like(confidence, self.params.threshold)
        return StepResult(
            loss + self.params.unlabeled_weight * loss_u,
            {
                "loss/labeled": loss.detach(),
                "loss/unlabeled": loss_u.detach(),
                "mask_rate": used.float().mean(),
                "accepted/share": accepted.float().mean(),
            },
            PseudoLabels(unlabeled.ids, labels, confidence, used.float(), threshold),
        )

    def given_counts(self) -> Tensor:
        """int64 [K]: labels of each class among the labeled images that were seen so far."""
        return torch.bincount(self.given + 1, minlength=self.problem.classes + 1)[1:]

    def align(self, predictions: Tensor) -> Tensor:
        """To the labels' distribution to the power of t_g, [U, K] to [U, K], as the recent average stands; then take
        these predictions in.
        """
        if not self.params.distribution_alignment:
            return predictions
        counts = self.given_counts().to(predictions.dtype)
        wanted = (counts / counts.sum()).pow(self.power.to(predictions.dtype))
        aligned = align(predictions, self.recent().to(predictions.dtype) + 1e-6, wanted / wanted.sum() + 1e-6)
        self.recent.push(predictions.mean(0))
        return aligned


def sampling_rates(counts: Tensor, alpha: float) -> Tensor:
    """μ_l = (N_{L+1-l} / N_1)^α, float64 [K], of each class, l its rank by the labels that it has, the most frequent
    first. counts: int64 [K]. Where no label is known yet nothing is accepted.
    """
    order = torch.argsort(counts, descending=True, stable=True)
    ranked = counts[order].double()
    rates = torch.empty_like(ranked)
    rates[order] = (ranked.flip(0) / ranked[0].clamp_min(1)).pow(alpha)
    return rates


def accept(probabilities: Tensor, unlabeled: Tensor, rates: Tensor) -> Tensor:
    """The labels of the pool, int64 [n], -1 where none: of the unlabeled images predicted as a class its rate's share,
    rounded down, the most confident ones.

    probabilities: float [n, K]. unlabeled: bool [n]. rates: float [K], in [0, 1].
    """
    confidence, predicted = probabilities.max(1)
    labels = torch.full_like(predicted, NO_LABEL)
    for k, rate in enumerate(rates.tolist()):
        rows = torch.nonzero(unlabeled & (predicted == k)).squeeze(1)
        labels[most_confident(rows, confidence, predicted, int(len(rows) * rate))] = k
    return labels
