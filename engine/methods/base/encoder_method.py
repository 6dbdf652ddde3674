"""The method that learns features without labels: a backbone is trained by a loss of its own, and served alone."""

from __future__ import annotations

from typing import ClassVar

from torch import nn

from engine.methods.base.batch import Stream, View
from engine.methods.base.method import GradientMethod
from engine.methods.parts.networks import Encoder


class EncoderMethod(GradientMethod):
    """Trains `self.backbone` and serves it, to be measured by probes: what is left to say is the loss. Its projection
    head, if it has one, is `self.projection`.

    views_of_each: how many of each view it is given, side by side; None: one, without that dimension.
    """

    supervision: ClassVar[set[str]] = {"none"}
    headline = ("test/knn_1_per_class", "test/knn_5_per_class", "test/linear_full")
    views_of_each: ClassVar[int | None] = None

    def served(self) -> nn.Module:
        return Encoder(self.backbone)

    def projection_head(self) -> nn.Module | None:
        return self._modules.get("projection")

    def streams(self) -> dict[str, Stream]:
        views = {name: View(name, count=self.views_of_each) for name in self.views}
        return {"unlabeled": Stream("unlabeled", self.problem.batch_size, views)}
