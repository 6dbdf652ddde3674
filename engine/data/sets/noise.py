"""The negative control: random pixels with random labels. A method that beats chance here has seen what it must not
see.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np

from engine.config.parts import DataParams, FewLabels, Labels
from engine.config.settings import param
from engine.data.image_set import DataSource, ImageSet
from engine.registry import datasets

TRAIN, TEST = 6_000, 2_000


@datasets.register
class Noise(DataSource):
    """6,000 training and 2,000 test images of uniform random 28x28 pixels, ten classes drawn at random, always the
    same ones.
    """

    class Params(DataParams):
        name: Literal["noise"] = "noise"
        labels: Labels = param(FewLabels(per_class=100), help="How many training images keep their labels.")
        validation: float = param(
            0.0,
            ge=0,
            le=0.5,
            advanced=True,
            help="Share of the training images held back, with their labels, for choosing between settings.",
        )

    title = "Pure noise"
    summary = "Random pixels, random labels: nothing can be learned, so every honest method stays at 10 %."
    recommended: ClassVar[dict[str, Any]] = {}

    def load(self) -> ImageSet:
        rng = np.random.default_rng(0)
        images = rng.integers(0, 256, size=(TRAIN + TEST, 1, 28, 28), dtype=np.uint8)
        # Equally many of each class, in random places, so that a balanced label budget always exists and chance is
        # exactly 10 %.
        labels = np.concatenate([rng.permutation(np.arange(count, dtype=np.int64) % 10) for count in (TRAIN, TEST)])
        ids = np.arange(TRAIN + TEST, dtype=np.int64)
        return ImageSet(
            "noise", images, labels, ids, ids >= TRAIN, tuple(str(k) for k in range(10)), frozenset({"flip"})
        )
