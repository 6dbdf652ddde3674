"""Small made-up data sets for the contract suite: any number of channels and classes, a pool of any size."""

from __future__ import annotations

from typing import Literal

import numpy as np

from engine.config.parts import DataParams
from engine.config.settings import param
from engine.data.image_set import DataSource, ImageSet


class Toy(DataSource):
    """`classes` blobs of brightness at class-specific places, with noise; ids are not 0..N-1 and not in order, and
    the names of classes are not sorted, on purpose.
    """

    class Params(DataParams):
        name: Literal["toy"] = "toy"
        classes: int = param(3, ge=2, le=40, help="Classes.")
        channels: int = param(1, ge=1, le=3, help="Channels.")
        size: int = param(8, ge=8, le=64, help="Pixels.")
        per_class: int = param(12, ge=2, le=100, help="Training images of a class.")

    title = "Toy"
    summary = "Made for the contract suite."
    params: Params

    def load(self) -> ImageSet:
        p = self.params
        rng = np.random.default_rng(5)
        labels = np.tile(np.arange(p.classes), p.per_class + 3)
        rng.shuffle(labels)
        images = rng.integers(0, 90, (len(labels), p.channels, p.size, p.size))
        for i, label in enumerate(labels):
            images[i, :, label % 8, :] += 100 + 50 * (label // 8 % 3)
        ids = rng.permutation(len(labels)) * 7 + 1000
        test = np.zeros(len(labels), dtype=bool)
        for k in range(p.classes):
            test[np.flatnonzero(labels == k)[:3]] = True
        return ImageSet(
            "toy",
            np.clip(images, 0, 255).astype(np.uint8),
            labels.astype(np.int64),
            ids.astype(np.int64),
            test,
            tuple(f"class {p.classes - k}" for k in range(p.classes)),
        )
