"""swav: one view predicts the cluster that the batch's balanced assignment gives the other view."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.backbones.backbone import Backbone
from engine.config.parts import MethodParams
from engine.config.settings import param
from engine.methods.base.batch import Batch
from engine.methods.base.context import StepContext, TaskSpec
from engine.methods.base.encoder_method import EncoderMethod
from engine.methods.base.method import StepResult
from engine.methods.parts.embedding_metrics import embedding_metrics
from engine.methods.parts.networks import mlp
from engine.registry import methods

ITERATIONS = 3


@methods.register
class SwAV(EncoderMethod):
    """Swapping assignments between views (Caron et al. 2020, arXiv:2006.09882, eq. 1 to 5), with two views of full
    size: neither small crops nor the queue of earlier embeddings, which the paper adds for batches smaller than the
    number of prototypes.

    Embeddings and prototypes have length 1. The codes that a view is to predict come from three iterations of Sinkhorn
    and Knopp's, which give every prototype the same share of the batch; no gradient flows into them. Prototypes are
    brought back to length 1 after every step and are not trained in the first epoch, as in the authors' code, whose
    epoch is 313 steps: on a small set freeze them for more. Both views go through one forward pass, as theirs do, and
    batch norm moves once. AdamW in place of LARS; at the rate of 0.1 that other methods take, SGD ends in even codes
    for all images on digits, a loss of ln K.
    """

    class Params(MethodParams):
        name: Literal["swav"] = "swav"
        prototypes: int = param(
            60,
            ge=2,
            le=65_536,
            symbol="K",
            help=(
                "Clusters; the paper has 3,000 for ImageNet. Codes are balanced over the batch, which should have at"
                " least as many images."
            ),
        )
        temperature: float = param(
            0.1, gt=0, le=10, symbol="τ", live=True, help="Divides the cosines of the predicting view."
        )
        epsilon: float = param(
            0.05,
            ge=0.02,
            le=1,
            symbol="ε",
            live=True,
            help="Smoothness of the codes: higher values spread each image over more prototypes.",
        )
        projection_size: int = param(
            64, ge=2, le=8192, symbol="D", help="Output dimensions of the projection head; the paper has 128."
        )
        hidden_size: int = param(
            256,
            ge=2,
            le=8192,
            advanced=True,
            help="Width of the projection head's hidden layer; the paper has 2,048.",
        )
        frozen_epochs: int = param(
            1, ge=0, le=100, advanced=True, help="Epochs at the start in which the prototypes are not trained."
        )

    title = "SwAV"
    summary = "Learns features without any label: each view predicts the other one's cluster."
    idea = (
        "Assign the views of a batch to clusters of equal size, and predict from each view the cluster of the other"
        " one."
    )
    formula = (
        r"L = \ell(z_1, q_2) + \ell(z_2, q_1), \quad \ell(z, q) = -\sum_k q_k \log \frac{\exp(z \cdot c_k /"
        r" \tau)}{\sum_{k'} \exp(z \cdot c_{k'} / \tau)}"
    )
    paper = "Caron et al. 2020, arXiv:2006.09882"
    views: ClassVar[dict[str, dict[str, Any]]] = {
        "crop": {"name": "crop_jitter", "brightness": 0.8, "contrast": 0.8, "saturation": 0.8, "hue": 0.2}
    }
    views_of_each = 2
    views_caption = "The pairs it compared: each view predicts the other one's cluster"
    view_titles: ClassVar[dict[str, str]] = {"crop_1": "view 1", "crop_2": "view 2"}
    recommended: ClassVar[dict[str, Any]] = {
        "optimizer": {"name": "adamw", "lr": 0.001},
        "budget": {"steps": 500, "batch_size": 128, "evaluate_every": 50},
    }

    def __init__(self, params: Params, backbone: Backbone, problem: TaskSpec) -> None:
        super().__init__(params, backbone, problem)
        self.projection = mlp(backbone.feature_size, params.hidden_size, params.projection_size)
        self.prototypes = nn.Linear(params.projection_size, params.prototypes, bias=False)
        self._normalize_prototypes()

    def step(self, batch: Batch, now: StepContext) -> StepResult:
        views: Tensor = batch["unlabeled"].crop  # [2, N, C, H, W]
        embedded = F.normalize(self.projection(self.backbone(views.flatten(0, 1))))  # [2N, D]
        scores = self.prototypes(embedded).chunk(2)  # [N, K] each
        loss = swav_loss(scores[0], scores[1], self.params.temperature, self.params.epsilon)
        figures = embedding_metrics(*embedded.detach().chunk(2)) if now.logged else {}
        return StepResult(loss, {"loss/unlabeled": loss.detach(), **figures})

    def before_update(self, now: StepContext) -> None:
        if now.epoch < self.params.frozen_epochs:
            self.prototypes.weight.grad = None

    def after_update(self, batch: Batch, now: StepContext) -> None:
        self._normalize_prototypes()

    @torch.no_grad()
    def _normalize_prototypes(self) -> None:
        self.prototypes.weight.copy_(F.normalize(self.prototypes.weight))


def swav_loss(first: Tensor, second: Tensor, temperature: float, epsilon: float) -> Tensor:
    """Cross-entropy of each view's softmax over prototypes against the other view's codes, averaged over images and
    both directions, as in the authors' code; eq. 1 sums the directions.

    first, second: cosines with the prototypes, [N, K], row by row of the same images. Scalar in nats.
    """
    directions = [
        -(codes(other.detach(), epsilon) * (scores / temperature).log_softmax(1)).sum(1).mean()
        for scores, other in ((first, second), (second, first))
    ]
    return (directions[0] + directions[1]) / 2


@torch.no_grad()
def codes(scores: Tensor, epsilon: float) -> Tensor:
    """Soft assignments [N, K] of N images to K prototypes, each row with the sum 1 and, up to what three iterations
    leave, each column with N / K (eq. 3 to 5; Sinkhorn-Knopp).

    scores: cosines [N, K], of which exp(score / epsilon) must not overflow: epsilon at least 0.02 in float32.
    """
    shares = (scores / epsilon).exp()
    shares = shares / shares.sum()
    for _ in range(ITERATIONS):
        shares = shares / shares.sum(0, keepdim=True) / shares.shape[1]
        shares = shares / shares.sum(1, keepdim=True) / len(shares)
    return shares * len(shares)
