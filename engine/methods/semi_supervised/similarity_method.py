"""What CoMatch and SimMatch share: embeddings beside the classes, and soft pseudo-labels that like images correct."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.backbones.backbone import Backbone
from engine.config.parts import MethodParams
from engine.methods.base.batch import PseudoLabels
from engine.methods.base.classifier_method import ClassifierMethod
from engine.methods.base.context import TaskSpec
from engine.methods.parts.mixing import align
from engine.methods.parts.networks import Head
from engine.methods.parts.recent_mean import RecentMean


class SimilarityMethod(ClassifierMethod):
    """A classifier with a projection head of two layers. All views go through one forward pass. Predictions are aligned
    to equally frequent classes by their mean over the last `recent_batches` batches. Params need `threshold` and
    `projection_size`.
    """

    views: ClassVar[dict[str, dict[str, Any]]] = {"weak": {"name": "weak"}, "strong": {"name": "strong"}}
    headline = ("test/accuracy", "mask_rate", "pseudo_label/accuracy")
    recent_batches: ClassVar[int]

    def __init__(self, params: MethodParams, backbone: Backbone, problem: TaskSpec) -> None:
        super().__init__(params, backbone, problem)
        width = backbone.feature_size
        self.projection = Head(
            nn.Linear(width, width), self.activation(), nn.Linear(width, self.params.projection_size)
        )
        self.recent = RecentMean(self.recent_batches, problem.classes)

    def activation(self) -> nn.Module:
        """Between the projection head's layers."""
        return nn.ReLU(inplace=True)

    def projection_head(self) -> nn.Module:
        return self.projection

    def look(self, *views: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Of each view its logits [., K] and its embeddings [., P], of length 1."""
        sizes = [len(view) for view in views]
        features, logits = self.classifier(torch.cat(views))
        embedded = F.normalize(self.projection(features))
        return list(torch.split(logits, sizes)), list(torch.split(embedded, sizes))

    def align(self, predictions: Tensor) -> Tensor:
        """Take these predictions [U, K] into the recent mean, then align them to equally frequent classes."""
        self.recent.push(predictions.mean(0))
        return align(predictions, self.recent().to(predictions.dtype))

    def learn(self, ids: Tensor, soft: Tensor, logits: Tensor) -> tuple[Tensor, PseudoLabels]:
        """Cross-entropy of strong views' logits [U, K] against soft pseudo-labels [U, K] whose largest entry reaches
        the threshold, the mean over all rows; and what is reported of them. ids: int64 [U].
        """
        confidence, labels = soft.max(1)
        used = confidence >= self.params.threshold
        loss = (-(soft * F.log_softmax(logits.float(), 1)).sum(1) * used).mean()
        threshold = torch.full_like(confidence, self.params.threshold)
        return loss, PseudoLabels(ids, labels, confidence, used.float(), threshold)
