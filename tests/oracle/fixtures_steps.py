"""One step of a method that learns without labels, made by hand: a small network, a batch of random views."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from engine.backbones.backbone import Backbone
from engine.backbones.small_cnn import SmallCNN
from engine.methods.base.batch import Batch, StreamBatch
from engine.methods.base.context import StepContext, TaskSpec
from engine.methods.base.method import GradientMethod

IMAGES = 6
FIRST_STEP = StepContext(0, 0, 10)


def built(cls: type[GradientMethod], backbone: Backbone | None = None, size: int = 8, **settings: Any) -> Any:
    """The method in train mode, with weights that follow from nothing but its declaration. Any, because tests look at
    parts of it that other methods do not have.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = SmallCNN(SmallCNN.Params(), 1, size) if backbone is None else backbone
        return cls(cls.Params(**settings), network, TaskSpec(10, network.channels, size, {}, IMAGES)).train()


def batch_of(**views: Tensor) -> Batch:
    """The stream of unlabeled images, with these views."""
    first = next(iter(views.values()))
    ids = torch.arange(first.shape[-4])
    return {"unlabeled": StreamBatch(ids, ids, None, views)}


def random_views(seed: int = 0, count: int = IMAGES, size: int = 8) -> Tensor:
    return torch.rand(count, 1, size, size, generator=torch.Generator().manual_seed(seed))


def assert_moves_every_part(method: GradientMethod, loss: Tensor, but: tuple[str, ...] = ()) -> None:
    """A gradient arrives at everything that trains, and at nothing whose name begins with one of `but`."""
    loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    for name, parameter in method.named_parameters():
        if name.startswith(but):
            assert parameter.grad is None, name
        else:
            assert parameter.grad is not None, name
            assert parameter.grad.abs().max() > 0, name
