"""Split: balanced, nested, disjoint where it must be, and the same test images for everyone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.data.image_set import ImageSet, stratified_test
from engine.data.split import Split, make_split
from engine.errors import ConfigError
from engine.registry import datasets


def make_images(counts: list[int], tests: int = 2, unknown: int = 0, seed: int = 0) -> ImageSet:
    """`counts` training images and `tests` test images of each class, `unknown` without a label, in random places
    with scattered ids.
    """
    rng = np.random.default_rng(seed)
    labels = np.concatenate(
        [*(np.full(count + tests, k) for k, count in enumerate(counts)), np.full(unknown, -1)]
    ).astype(np.int64)
    rng.shuffle(labels)
    test = np.zeros(len(labels), dtype=bool)
    for k in range(len(counts)):
        test[np.flatnonzero(labels == k)[:tests]] = True
    ids = rng.permutation(len(labels)) * 3 + 11
    return ImageSet(
        "made up",
        np.zeros((len(labels), 1, 4, 4), np.uint8),
        labels,
        ids.astype(np.int64),
        test,
        tuple(f"class {k}" for k in range(len(counts))),
    )


def split(images: ImageSet, labels: dict[str, Any] | None = None, seed: int = 0, validation: float = 0.0) -> Split:
    data = datasets["digits"].Params.model_validate(
        {"labels": labels or {"kind": "few", "per_class": 2}, "split_seed": seed, "validation": validation}
    )
    return make_split(images, data)


def labels_of(images: ImageSet, ids: np.ndarray) -> list[int]:
    by_id = dict(zip(images.ids.tolist(), images.labels.tolist(), strict=True))
    return [by_id[i] for i in ids.tolist()]


@settings(max_examples=60)
@given(
    st.lists(st.integers(6, 30), min_size=2, max_size=6),
    st.integers(1, 4),
    st.integers(0, 1000),
    st.sampled_from([0.0, 0.1, 0.3]),
    st.integers(0, 5),
)
def test_any_split_is_balanced_disjoint_and_complete(
    counts: list[int], per_class: int, seed: int, validation: float, unknown: int
) -> None:
    images = make_images(counts, unknown=unknown)
    parts = split(images, {"kind": "few", "per_class": per_class}, seed, validation)
    assert np.bincount(labels_of(images, parts.labeled), minlength=len(counts)).tolist() == [per_class] * len(counts)
    assert set(parts.labeled) <= set(parts.pool)
    assert set(parts.unlabeled) == set(parts.pool) - set(parts.labeled)
    assert not set(parts.pool) & set(parts.validation)
    assert set(parts.pool) | set(parts.validation) == set(images.ids[~images.is_test])
    assert parts.test.tolist() == images.ids[images.is_test].tolist()
    assert np.bincount(labels_of(images, parts.validation), minlength=len(counts)).tolist() == [
        round(validation * count) for count in counts
    ]
    assert -1 not in labels_of(images, parts.labeled)
    for ids in (parts.labeled, parts.pool, parts.validation, parts.test):
        assert len(set(ids.tolist())) == len(ids)


@settings(max_examples=30)
@given(st.integers(0, 1000), st.integers(1, 9))
def test_more_labels_contain_the_fewer_ones(seed: int, per_class: int) -> None:
    images = make_images([12, 15, 20])
    fewer = split(images, {"kind": "few", "per_class": per_class}, seed, 0.1)
    more = split(images, {"kind": "few", "per_class": per_class + 1}, seed, 0.1)
    assert set(fewer.labeled) < set(more.labeled)
    assert fewer.pool.tolist() == more.pool.tolist()
    assert fewer.validation.tolist() == more.validation.tolist()


def test_a_seed_draws_the_same_split_again_and_another_seed_another_one_with_the_same_test_part() -> None:
    images = make_images([30, 30, 30])
    first, again, other = (
        split(images, seed=4, validation=0.1),
        split(images, seed=4, validation=0.1),
        split(images, seed=5, validation=0.1),
    )
    for part in ("labeled", "pool", "validation", "test"):
        assert getattr(first, part).tolist() == getattr(again, part).tolist()
    assert first.labeled.tolist() != other.labeled.tolist()
    assert first.validation.tolist() != other.validation.tolist()
    assert first.test.tolist() == other.test.tolist()


def test_all_labels_leave_nothing_unlabeled_but_images_without_a_label() -> None:
    images = make_images([5, 7], unknown=3)
    parts = split(images, {"kind": "all"})
    assert sorted(labels_of(images, parts.labeled)) == [0] * 5 + [1] * 7
    assert labels_of(images, parts.unlabeled) == [-1, -1, -1]


def test_too_few_images_of_a_class_are_refused_with_the_number_that_would_do() -> None:
    with pytest.raises(ConfigError) as refused:
        split(make_images([8, 3, 5]), {"kind": "few", "per_class": 4})
    assert (
        str(refused.value)
        == "4 labels per class are asked for, but class 'class 1' has 3 training images: ask for at most 3, or switch"
        " data.labels.at_most on."
    )


def test_up_to_a_number_of_labels_takes_all_that_a_smaller_class_has_and_draws_the_others_as_before() -> None:
    images = make_images([8, 3, 5])
    at_most = split(images, {"kind": "few", "per_class": 4, "at_most": True})
    assert np.bincount(labels_of(images, at_most.labeled)).tolist() == [4, 3, 4]
    exactly = split(images, {"kind": "few", "per_class": 3})
    assert set(exactly.labeled) < set(at_most.labeled)
    enough = make_images([8, 9, 5])
    same = [split(enough, {"kind": "few", "per_class": 4, "at_most": flag}).labeled.tolist() for flag in (False, True)]
    assert same[0] == same[1]


def test_a_class_without_a_training_image_is_refused_without_asking_for_none_of_each() -> None:
    images = make_images([8, 0])
    with pytest.raises(ConfigError) as refused:
        split(images, {"kind": "few", "per_class": 1})
    assert (
        str(refused.value) == "1 label per class is asked for, but class 'class 1' has 0 training images: switch"
        " data.labels.at_most on."
    )
    parts = split(images, {"kind": "few", "per_class": 1, "at_most": True})
    assert labels_of(images, parts.labeled) == [0]


def test_all_labels_given_are_those_that_are_not_held_out_and_the_rest_is_unlabeled() -> None:
    images = make_images([10, 3], unknown=100)
    parts = split(images, {"kind": "all"}, validation=0.2)
    assert np.bincount(labels_of(images, parts.labeled)).tolist() == [8, 2]
    assert np.bincount(labels_of(images, parts.validation)).tolist() == [2, 1]
    assert labels_of(images, parts.unlabeled) == [-1] * 100


def test_exactly_as_many_labels_as_images_are_enough() -> None:
    assert len(split(make_images([4, 4]), {"kind": "few", "per_class": 4}).unlabeled) == 0


def test_images_held_back_for_validation_cannot_be_labeled() -> None:
    with pytest.raises(ConfigError) as refused:
        split(make_images([10, 10]), {"kind": "few", "per_class": 6}, validation=0.5)
    assert (
        str(refused.value)
        == "6 labels per class are asked for, but class 'class 0' has 5 training images: ask for at most 5, or switch"
        " data.labels.at_most on."
    )


@given(st.lists(st.integers(1, 40), min_size=1, max_size=5), st.floats(0, 1))
def test_a_stratified_test_part_takes_the_same_share_of_every_class_every_time(counts: list[int], share: float) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    chosen = stratified_test(labels, share)
    assert np.bincount(labels[chosen], minlength=len(counts)).tolist() == [round(share * count) for count in counts]
    assert chosen.tolist() == stratified_test(labels, share).tolist()


def test_one_image_is_one_image_in_a_refusal() -> None:
    with pytest.raises(
        ConfigError,
        match=r"class 'class 1' has 1 training image: ask for at most 1, or switch data.labels.at_most on\.$",
    ):
        split(make_images([8, 1]), {"kind": "few", "per_class": 2})
