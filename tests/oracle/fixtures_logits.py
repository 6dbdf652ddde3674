"""Six unlabeled and two labeled rows of logits for which every loss was worked out by hand, and a way to put them
through a method's own `step`.

The numbers come from a numpy calculation in float64 that shares no code with the engine; 10 decimals.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from engine.backbones.small_cnn import SmallCNN
from engine.methods.base.batch import Batch, StreamBatch
from engine.methods.base.context import TaskSpec
from engine.methods.base.method import GradientMethod
from engine.registry import methods

LABELED: list[list[float]] = [[2, 0.5, -1], [0.3, 1.2, -0.4]]
LABELS = [0, 2]
WEAK: list[list[float]] = [[5, 0, 0], [0, 3.5, 0], [0, 0.2, 4.5], [1, 0.8, 0.6], [4.2, 1, -1], [0, 2, 1]]
STRONG: list[list[float]] = [[2, 1, 0], [0.5, 1.5, 0], [0, 1, 1.2], [0.2, 0.1, 0], [1, -0.5, 0.3], [-0.3, 0.9, 0.4]]

LABELED_LOSS = 1.1582961685
CONFIDENCE = [0.9867032910, 0.9430450161, 0.9759167599, 0.4017595785, 0.9557682237, 0.6652409558]
GUESS = [0, 1, 2, 0, 0, 1]
# Of STRONG against GUESS.
CROSS_ENTROPY = [
    0.4076059644,
    0.4643687841,
    0.7513806942,
    1.0019428482,
    0.5421588492,
    0.6459113654,
]


class AsGiven(nn.Module):
    """Takes the place of a classifier: the "images" of a view are already its logits."""

    def logits(self, *views: Tensor) -> list[Tensor]:
        return list(views)


def tensor(rows: Any) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64, requires_grad=True)


def method(name: str, classes: int = 3, counts: dict[str, int] | None = None, **params: Any) -> GradientMethod:
    """A registered method that is given its logits."""
    cls = methods[name]
    problem = TaskSpec(classes, 1, 8, counts or {}, 2)
    built: GradientMethod = cls(cls.Params(**params), SmallCNN(SmallCNN.Params(), 1, 8), problem)
    built.classifier = AsGiven()
    return built


def batch(
    weak: Tensor, strong: Tensor | None = None, labeled: Tensor | None = None, labels: list[int] | None = None
) -> Batch:
    rows = torch.arange(len(weak))
    views = {"weak": weak} if strong is None else {"weak": weak, "strong": strong}
    first = tensor(LABELED) if labeled is None else labeled
    return {
        "labeled": StreamBatch(
            torch.arange(len(first)),
            torch.arange(len(first)),
            torch.tensor(LABELS if labels is None else labels),
            {"weak": first},
        ),
        "unlabeled": StreamBatch(rows + 100, rows, None, views),
    }
