"""The data sets are what they say: real digits pixel by pixel, made-up sets the same on every machine and as large as
promised.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from sklearn.datasets import load_digits

from engine.data.image_set import ImageSet
from engine.errors import ShapeError
from engine.registry import datasets

SHAPES = {"digits": (1797, 1, 8, 8), "noise": (8000, 1, 28, 28), "shapes": (3600, 3, 32, 32)}


@cache
def loaded(name: str) -> ImageSet:
    images: ImageSet = datasets[name](datasets[name].Params()).load()
    return images


@pytest.mark.parametrize("name", list(SHAPES))
def test_a_set_is_as_large_as_its_summary_says_and_uses_the_whole_range(name: str) -> None:
    images = loaded(name).images
    assert images.shape == SHAPES[name]
    assert images.min() < 32
    assert images.max() > 223


def test_digits_are_scikit_learns() -> None:
    theirs, images = load_digits(), loaded("digits")
    assert np.array_equal(images.images[:, 0], np.round(theirs.images * 15.9375))
    assert images.labels.tolist() == theirs.target.tolist()
    assert images.class_names == tuple("0123456789")


def test_a_fifth_of_every_digit_is_the_test_part() -> None:
    images = loaded("digits")
    every, test = np.bincount(images.labels), np.bincount(images.labels[images.is_test])
    assert test.tolist() == [round(count / 5) for count in every]
    assert images.is_test.sum() == 359


def test_noise_is_balanced_so_that_chance_is_exactly_a_tenth() -> None:
    images = loaded("noise")
    assert np.bincount(images.labels[~images.is_test]).tolist() == [600] * 10
    assert np.bincount(images.labels[images.is_test]).tolist() == [200] * 10


def test_noise_is_uniform_and_knows_nothing_of_its_labels() -> None:
    images = loaded("noise")
    counts = np.bincount(images.images.ravel(), minlength=256)
    expected = images.images.size / 256
    assert abs(counts - expected).max() < 6 * expected**0.5  # six standard deviations, for 256 counts
    means = np.array([images.images[images.labels == k].mean() for k in range(10)])
    spread = (255 * 257 / 12) ** 0.5 / (800 * 28 * 28) ** 0.5
    assert abs(means - 127.5).max() < 5 * spread


def test_shapes_are_balanced_and_every_class_is_drawn_differently() -> None:
    images = loaded("shapes")
    assert images.class_names == ("circle", "square", "triangle", "cross", "ring", "star")
    assert np.bincount(images.labels[~images.is_test]).tolist() == [500] * 6
    assert np.bincount(images.labels[images.is_test]).tolist() == [100] * 6
    assert len({image.tobytes() for image in images.images}) == 3600


def test_the_content_hash_sees_every_pixel_label_id_test_mark_and_class_name() -> None:
    def made(**changes: object) -> str:
        parts = {
            "images": np.zeros((4, 1, 2, 2), np.uint8),
            "labels": np.array([0, 1, 0, 1]),
            "ids": np.arange(4),
            "class_names": ("a", "b"),
        }
        parts["is_test"] = np.array([False, False, True, True])
        return ImageSet("x", **(parts | changes)).content_hash  # type: ignore[arg-type]  # the parts are mixed on purpose

    pixel = np.zeros((4, 1, 2, 2), np.uint8)
    pixel[3, 0, 1, 1] = 1
    variants = [
        made(),
        made(images=pixel),
        made(labels=np.array([0, 1, 1, 1])),
        made(ids=np.arange(1, 5)),
        made(is_test=np.array([False, True, False, True])),
        made(class_names=("a", "c")),
        made(symmetries=frozenset({"flip"})),
    ]
    assert len(set(variants)) == len(variants)
    assert made() == variants[0]


def test_arrays_of_different_lengths_are_refused() -> None:
    with pytest.raises(ShapeError) as refused:
        ImageSet(
            "odd", np.zeros((3, 1, 2, 2), np.uint8), np.zeros(2, np.int64), np.arange(3), np.zeros(3, bool), ("a",)
        )
    assert str(refused.value) == "odd: images, labels, ids and is_test must have one length, but have [2, 3]."
