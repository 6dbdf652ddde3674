"""The images that evaluations look at: the same ones whatever the run was told about the others."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from engine.config.parts import DataParams, Hardware
from engine.data.image_set import ImageSet
from engine.data.split import make_split
from engine.runs.folder import PARTS
from engine.training.evaluation.evaluator import FINAL_SAMPLE, SAMPLE, Evaluator
from engine.training.hardware import resolve


class Brightness(nn.Module):
    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        means = images.mean((2, 3))
        return means, torch.cat([means, 1 - means], 1)


class Features(nn.Module):
    def forward(self, images: Tensor) -> tuple[Tensor, None]:
        return images.flatten(1), None


def many() -> ImageSet:
    rng, count = np.random.default_rng(0), 9_000
    labels = np.arange(count) % 2
    pixels = rng.integers(0, 200, (count, 1, 2, 2)) + 40 * labels[:, None, None, None]
    return ImageSet(
        "many",
        pixels.astype(np.uint8),
        labels,
        rng.permutation(count) * 7,
        np.arange(count) < 5_500,
        ("a", "b"),
        frozenset(),
    )


def evaluator(images: ImageSet, **labels: object) -> Evaluator:
    split = make_split(images, DataParams.model_validate({"name": "many", "labels": labels, "split_seed": 0}))
    return Evaluator(images, split, resolve(Hardware(device="cpu", threads=1)))


def test_runs_with_other_labels_look_at_the_same_test_images() -> None:
    images = many()
    looked_at = []
    for labels in (
        {"kind": "few", "per_class": 3},
        {"kind": "few", "per_class": 1_000},
        {"kind": "all"},
        {"kind": "none"},
    ):
        _, arrays = evaluator(images, **labels).evaluate(Brightness())
        test = arrays["ids"][arrays["part"] == PARTS.index("test")]
        assert len(test) == SAMPLE
        looked_at.append(test)
    for other in looked_at[1:]:
        np.testing.assert_array_equal(looked_at[0], other)


def test_the_last_snapshot_keeps_more_and_all_that_the_others_kept() -> None:
    looking = evaluator(many(), kind="few", per_class=3)
    live, last = (looking.evaluate(Brightness(), final)[1] for final in (False, True))
    for part, name in enumerate(PARTS):
        before, after = live["ids"][live["part"] == part], last["ids"][last["part"] == part]
        assert set(before) <= set(after), name
        assert len(after) <= FINAL_SAMPLE
    assert int((last["part"] == PARTS.index("test")).sum()) == FINAL_SAMPLE
    # The same image has the same answer in both.
    _, mine, theirs = np.intersect1d(live["ids"], last["ids"], return_indices=True)
    np.testing.assert_array_equal(live["probabilities"][mine], last["probabilities"][theirs])


def test_neighbors_are_measured_on_the_same_images_to_the_end() -> None:
    looking = evaluator(many(), kind="none")
    live, last = (looking.evaluate(Features(), final)[0] for final in (False, True))
    assert live
    assert live == last


class Normed(nn.Module):
    """Batch norm of an image's pixels, and no logits."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(1)

    def forward(self, images: Tensor) -> tuple[Tensor, None]:
        return self.norm(images).flatten(1), None


def test_the_network_of_before_the_first_step_is_measured_with_the_statistics_of_training_images() -> None:
    """Batch norm begins at mean 0 and variance 1, with which a deep network tells no images apart."""
    draws, count = np.random.default_rng(1), 60
    labels, is_test = np.arange(count) % 2, np.arange(count) < 20
    pixels = draws.integers(60, 100, (count, 1, 2, 2)) + 100 * labels[:, None, None, None]
    pixels[is_test] //= 2  # of other brightness, to be seen by nobody here
    images = ImageSet("few", pixels.astype(np.uint8), labels, np.arange(count), is_test, ("a", "b"), frozenset())
    begun = Normed()
    evaluator(images, kind="none").finalize(Normed(), lambda: begun, lambda done, every: True)
    validation = make_split(
        images, DataParams.model_validate({"name": "few", "labels": {"kind": "none"}, "split_seed": 0})
    ).validation
    seen = pixels[~is_test & ~np.isin(np.arange(count), validation)] / 255
    assert begun.norm.running_mean is not None
    assert begun.norm.running_var is not None
    np.testing.assert_allclose(begun.norm.running_mean.numpy(), [seen.mean()], rtol=1e-5)
    np.testing.assert_allclose(begun.norm.running_var.numpy(), [seen.var(ddof=1)], rtol=1e-4)
