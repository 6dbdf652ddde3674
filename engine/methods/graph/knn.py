"""knn: each image has the label of the labeled images most like it."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.backbones.backbone import Backbone
from engine.config.parts import MethodParams
from engine.config.settings import param
from engine.methods.base.batch import PseudoLabels
from engine.methods.base.context import StepContext, TaskSpec
from engine.methods.base.method import FittedMethod, OnFrozenFeatures, PoolData, StepResult
from engine.methods.graph.neighbor_graph import nearest
from engine.registry import methods


class LabeledNeighbors(OnFrozenFeatures):
    """Images to (features, logarithms of probabilities): the vote of the nearest labeled images. All are saved, so
    that predicting needs no training set.
    """

    def __init__(
        self, backbone: Backbone, params: KNN.Params, bank: Tensor, labels: Tensor, center: Tensor, classes: int
    ) -> None:
        super().__init__()
        self.backbone, self.params, self._classes = backbone, params, classes
        self.bank: Tensor
        self.labels: Tensor
        self.center: Tensor
        for name, value in (("bank", bank), ("labels", labels), ("center", center)):
            self.register_buffer(name, value)

    def answer(self, features: Tensor) -> Tensor:
        queries = scaled(features, self.center, self.params.scaling)
        rows = nearest(queries, self.bank, self.params.neighbors).rows  # [B, k]
        votes = F.one_hot(self.labels[rows], self._classes).double()  # [B, k, K]
        if self.params.weights == "distance":
            # Of differences, not of products: only so is an image at a distance of 0 from itself. One column at a time,
            # because all of them are k times as large as the batch.
            distances = torch.stack([(queries - self.bank[column]).double().norm(dim=1) for column in rows.T], 1)
            # By 1/d; where one is equal to the image, it and its like alone vote.
            same = distances == 0
            inverse = torch.where(same.any(1, keepdim=True), same.double(), 1 / distances.clamp_min(1e-300))
            votes = votes * inverse[:, :, None]
        shares = votes.sum(1)
        return (shares / shares.sum(1, keepdim=True)).clamp_min(1e-12).log().float()


@methods.register
class KNN(FittedMethod):
    """k nearest labeled neighbors on frozen features (Fix & Hodges 1951; Cover & Hart 1967), alike or weighted by the
    inverse of their Euclidean distance, as in scikit-learn.

    Features come from the backbone in eval mode, without augmentation, once. Unlabeled images play no part but in the
    mean that `unit` subtracts. With fewer labels than k all of them vote.
    """

    class Params(MethodParams):
        name: Literal["knn"] = "knn"
        neighbors: int = param(
            1,
            ge=1,
            le=1000,
            symbol="k",
            help="Labeled images that vote on each image; with two labels per class, one is best.",
        )
        weights: Literal["uniform", "distance"] = param(
            "distance", help="uniform: all neighbors count alike. distance: by the inverse of their distance."
        )
        scaling: Literal["none", "unit"] = param(
            "none",
            help=(
                "none: features as the network gives them. unit: less their mean and of length 1, as suits pretrained"
                " networks."
            ),
        )

    title = "Nearest neighbors"
    summary = "Each image gets the label of the labeled images most like it; nothing is trained."
    idea = "Compute the features of every image once. The nearest labeled images vote on what an image is."
    formula = r"p(y \mid x) \propto \sum_{i \in N_k(x)} \frac{1[y_i = y]}{\|f(x) - f(x_i)\|}"
    paper = "Cover & Hart 1967, Nearest Neighbor Pattern Classification, IEEE Transactions on Information Theory 13"
    views: ClassVar[dict[str, dict[str, Any]]] = {}
    recommended: ClassVar[dict[str, Any]] = {
        "backbone": {"name": "pixels"},
        "budget": {"steps": 1, "evaluate_every": 1},
    }
    headline = ("test/accuracy", "validation/accuracy", "pseudo_label/accuracy")
    params: Params

    def __init__(self, params: Params, backbone: Backbone, problem: TaskSpec) -> None:
        super().__init__(params, backbone, problem)
        labeled = problem.counts.get("labeled", 0)
        self.bank: Tensor
        self.labels: Tensor
        self.center: Tensor
        self.register_buffer("bank", torch.zeros(labeled, backbone.feature_size))
        self.register_buffer("labels", torch.zeros(labeled, dtype=torch.int64))
        self.register_buffer("center", torch.zeros(backbone.feature_size))

    def prepare(self, fitting: PoolData) -> None:
        known = fitting.labels >= 0
        self.center.copy_(fitting.features.mean(0))
        features = fitting.features.to(self.center.device)
        self.bank.copy_(scaled(features[known.to(self.center.device)], self.center, self.params.scaling))
        self.labels.copy_(fitting.labels[known])
        self._unlabeled, self._ids = features[~known.to(self.center.device)], fitting.ids[~known]

    def iterate(self, now: StepContext) -> StepResult:
        still = {"change": torch.tensor(0.0)}  # one look is all there is
        if not len(self._ids):
            return StepResult(still["change"], still, converged=True)
        confidence, labels = self.served().answer(self._unlabeled).softmax(1).max(1)
        every = PseudoLabels(self._ids, labels.cpu(), confidence.cpu(), torch.ones(len(labels)))
        return StepResult(still["change"], still, every, converged=True)

    def served(self) -> LabeledNeighbors:
        return LabeledNeighbors(self.backbone, self.params, self.bank, self.labels, self.center, self.problem.classes)


def scaled(features: Tensor, center: Tensor, scaling: str) -> Tensor:
    """[N, D]: as they are, or less the center and of length 1."""
    return F.normalize(features - center) if scaling == "unit" else features
