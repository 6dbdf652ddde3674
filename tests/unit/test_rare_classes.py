"""Classes that are too rare are named in one sentence, and no sentence is said where none is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine.data.image_set import ImageSet
from engine.data.rare_classes import rare_classes
from engine.data.split import make_split
from engine.registry import datasets

ALL, NONE = {"kind": "all"}, {"kind": "none"}


def said(training: list[int], test: list[int], labels: dict[str, Any]) -> str:
    """The sentence on classes a, b, c ... with so many training and test images."""
    of = [np.repeat(np.arange(len(counts)), counts) for counts in (training, test)]
    both = np.concatenate(of).astype(np.int64)
    images = ImageSet(
        "made up",
        np.zeros((len(both), 1, 4, 4), np.uint8),
        both,
        np.arange(len(both), dtype=np.int64)[::-1].copy(),
        np.arange(len(both)) >= len(of[0]),
        tuple("abcdefgh"[: len(training)]),
    )
    data = datasets["digits"].Params.model_validate({"labels": labels, "split_seed": 0, "validation": 0.0})
    return rare_classes(images, make_split(images, data), data.labels)


def few(count: int, at_most: bool = True) -> dict[str, Any]:
    return {"kind": "few", "per_class": count, "at_most": at_most}


@pytest.mark.parametrize(
    ("training", "test", "labels", "sentence"),
    [
        ([5, 5], [1, 1], few(2, at_most=False), ""),
        ([2, 3], [1, 1], ALL, ""),
        ([1, 3], [1, 1], ALL, "Class 'a' has only 1 labeled image"),
        ([1, 3], [1, 1], few(3), "Class 'a' has only 1 labeled image"),
        ([1, 3], [1, 1], few(1), ""),  # that was asked for
        ([1, 1, 3], [1, 1, 1], ALL, "Classes 'a' and 'b' have only 1 labeled image"),
        ([0, 3], [1, 1], few(3), "Class 'a' has no labeled image"),
        ([2, 3], [0, 1], ALL, "Class 'a' has no test image"),
        ([2, 3], [0, 1], NONE, "Class 'a' has no test image"),
        ([2, 3], [0, 0], ALL, "No class has a test image"),
        (
            [0, 1, 2],
            [1, 1, 0],
            ALL,
            "Class 'a' has no labeled image, class 'b' has only 1 labeled image, class 'c' has no test image",
        ),
        ([2] * 5, [0, 0, 0, 0, 1], ALL, "Classes 'a', 'b', 'c' and 'd' have no test image"),
        ([2] * 6, [0, 0, 0, 0, 0, 1], ALL, "Classes 'a', 'b', 'c' and 2 more have no test image"),
    ],
)
def test_classes_without_enough_images_are_named(
    training: list[int], test: list[int], labels: dict[str, Any], sentence: str
) -> None:
    advice = ": add images of them, or read their results with care." if sentence else ""
    assert said(training, test, labels) == sentence + advice


def test_images_without_any_class_lack_none() -> None:
    images = ImageSet(
        "made up",
        np.zeros((3, 1, 4, 4), np.uint8),
        np.full(3, -1, np.int64),
        np.arange(3, dtype=np.int64),
        np.zeros(3, bool),
        (),
    )
    data = datasets["digits"].Params.model_validate({"labels": NONE, "split_seed": 0})
    assert rare_classes(images, make_split(images, data), data.labels) == ""
