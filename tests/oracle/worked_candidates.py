"""The worked example that all oracles of partial-label methods share: K = 4, a batch of two, a table of three rows,
batch rows 2 and 0.

Expected numbers of its tests were worked out once in float64 from the formulas; the wrong ones beside them belong to
well-known mistakes.
"""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, nn

from engine.backbones.backbone import Backbone
from engine.config.parts import BackboneParams, MethodParams
from engine.methods.base.batch import StreamBatch
from engine.methods.base.classifier_method import ClassifierMethod
from engine.methods.base.context import TaskSpec

LOGITS = torch.tensor([[2, 0.5, -1, 0], [-0.3, 1.2, 0.4, 3]], dtype=torch.float64)
LOGITS_AFTER = torch.tensor([[2.2, 0.4, -1.1, 0.1], [-0.4, 1.3, 0.5, 2.8]], dtype=torch.float64)
"""Of a second forward pass, after the optimizer's step."""
SETS = torch.tensor([[True, True, False, True], [False, True, True, False]])
TABLE = torch.tensor([[0, 0.4, 0.6, 0], [0.5, 0, 0, 0.5], [0.5, 0.3, 0, 0.2]])
ROWS = torch.tensor([2, 0])
M = TypeVar("M", bound=ClassifierMethod)


class Given(Backbone):
    """Answers with given features, whatever it is shown."""

    feature_size = 4

    def __init__(self, logits: Tensor = LOGITS) -> None:
        super().__init__(BackboneParams(name="given"), 1, 8)
        self.logits = nn.Parameter(logits.float().clone())

    def features(self, images: Tensor) -> Tensor:
        return self.logits

    def stages(self) -> list[nn.Module]:
        return []


def pool_sets() -> Tensor:
    """Of the pool of three images, of which the batch holds rows 2 and 0."""
    sets = torch.zeros(3, 4, dtype=torch.bool)
    sets[ROWS] = SETS
    sets[1] = torch.tensor([True, False, False, True])
    return sets


def built(method: type[M], params: MethodParams) -> M:
    """The method on logits that pass through its head unchanged."""
    made = method(params, Given(), TaskSpec(4, 1, 8, {}, 2, pool_sets()))
    with torch.no_grad():
        made.classifier.head.weight.copy_(torch.eye(4))
        made.classifier.head.bias.zero_()
    return made


def gradient_at_the_logits(method: ClassifierMethod) -> Tensor:
    grad = method.get_parameter("backbone.logits").grad
    assert grad is not None
    return grad


BATCH = {"all": StreamBatch(torch.tensor([12, 10]), ROWS, None, {"weak": torch.zeros(2, 1, 8, 8)}, SETS)}
