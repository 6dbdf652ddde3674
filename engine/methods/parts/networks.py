"""Networks that methods share: heads, a backbone with a linear head, a backbone alone."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from engine.backbones.backbone import Backbone
from engine.backbones.mixed_precision import MixedPrecision


class Head(MixedPrecision, nn.Sequential):
    """Layers on top of a backbone, float32 also where the run computes in bfloat16."""

    def forward(self, features: Tensor) -> Tensor:
        with self.autocast(features):
            return self.widened(super().forward(features))  # type: ignore[no-untyped-call]  # torch leaves it untyped


class Classifier(nn.Module):
    """A backbone and a linear head: images [B, C, H, W] to (features [B, D], logits [B, K]), the logits
    computed in float32.
    """

    def __init__(self, backbone: Backbone, classes: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(backbone.feature_size, classes)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.backbone(images)
        return features, self.head(features)

    def logits(self, *views: Tensor) -> list[Tensor]:
        """Logits of several views from one forward pass, so that batch norm sees them all together and updates once."""
        _, logits = self(torch.cat(views))
        return list(logits.split([len(view) for view in views]))


class Encoder(nn.Module):
    """A backbone alone, for methods that learn no classes: images [B, C, H, W] to (features [B, D], None)."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, images: Tensor) -> tuple[Tensor, None]:
        return self.backbone(images), None


def mlp(*widths: int, last_bias: bool = True) -> Head:
    """The projector or predictor of most self-supervised methods: linear layers of these widths, the inputs' first,
    with batch norm and ReLU behind each but the last, which is plain.

    Hidden layers have no bias: batch norm would take it away. last_bias: whether the last one has.
    """
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(widths[:-1]):
        layers += [nn.Linear(inputs, outputs, bias=False), nn.BatchNorm1d(outputs), nn.ReLU(inplace=True)]
    return Head(*layers, nn.Linear(widths[-2], widths[-1], bias=last_bias))
