"""The pictures that evaluations look at: the same ones whatever the run was told about the others."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from engine.config import DataParams, Hardware
from engine.data.image_set import ImageSet
from engine.data.split import make_split
from engine.runs.folder import PARTS
from engine.training.evaluate import SAMPLE, Evaluator
from engine.training.hardware import resolve


class Brightness(nn.Module):
    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        means = images.mean((2, 3))
        return means, torch.cat([means, 1 - means], 1)


def test_runs_with_other_labels_look_at_the_same_test_pictures() -> None:
    rng = np.random.default_rng(0)
    count = 9_000
    images = ImageSet("many", rng.integers(0, 256, (count, 1, 2, 2), dtype=np.uint8), np.arange(count) % 2, np.arange(count) * 7, np.arange(count) < 3_000, ("a", "b"), frozenset())
    looked_at = []
    for labels in ({"kind": "few", "per_class": 3}, {"kind": "few", "per_class": 2_000}, {"kind": "all"}, {"kind": "none"}):
        split = make_split(images, DataParams.model_validate({"name": "many", "labels": labels, "split_seed": 0}))
        _, arrays = Evaluator(images, split, resolve(Hardware(device="cpu", threads=1))).evaluate(Brightness())
        test = arrays["ids"][arrays["part"] == PARTS.index("test")]
        assert len(test) == SAMPLE
        looked_at.append(test)
    for other in looked_at[1:]:
        np.testing.assert_array_equal(looked_at[0], other)
