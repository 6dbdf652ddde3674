"""An image set with the labels of a log: which images a run learns from, tests on, and never sees."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.data.image_set import ImageSet
from engine.data.labels.label_records import Classes, Exclude, HoldBack, Label, Labels, Record, Rename
from engine.data.labels.labeled_set import with_labels

NAMES = [f"{k:03}.jpg" for k in range(40)]


@pytest.fixture
def plain() -> ImageSet:
    """Forty images without labels."""
    pixels = np.random.default_rng(0).integers(0, 256, (40, 1, 8, 8), dtype=np.uint8)
    none = np.zeros(40, bool)
    return ImageSet("folder", pixels, np.full(40, -1), np.arange(40), none, ())


def said(*records: Record) -> Labels:
    labels = Labels()
    for record in records:
        labels.apply(record)
    return labels


def labels_of(images: ImageSet) -> dict[str, str]:
    return {NAMES[k]: images.class_names[label] for k, label in enumerate(images.labels) if label >= 0}


def test_labels_are_put_to_the_images_of_their_names(plain: ImageSet) -> None:
    given = said(
        Classes(classes=("zebra", "ant")),
        Label(images=("003.jpg", "017.jpg"), of="ant"),
        Label(images=("004.jpg",), of="zebra"),
        Label(images=("not there.jpg",), of="ant"),
    )
    images = with_labels(plain, NAMES, given)
    assert images.class_names == ("zebra", "ant")
    assert labels_of(images) == {"003.jpg": "ant", "017.jpg": "ant", "004.jpg": "zebra"}


def test_excluded_images_are_in_no_part(plain: ImageSet) -> None:
    given = said(
        *(Label(images=(name,), of="ab"[k % 2]) for k, name in enumerate(NAMES)), Exclude(images=tuple(NAMES[:10]))
    )
    images = with_labels(plain, NAMES, given)
    assert not (images.is_training | images.is_test)[:10].any()
    assert (images.is_training | images.is_test)[10:].all()
    assert (images.labels[:10] == -1).all()


def test_what_was_held_back_and_labeled_is_the_test_set_and_what_has_no_label_yet_is_in_no_part(
    plain: ImageSet,
) -> None:
    given = said(
        HoldBack(images=("000.jpg", "001.jpg", "002.jpg")),
        Label(images=("000.jpg", "005.jpg"), of="a"),
        Label(images=("001.jpg", "006.jpg"), of="b"),
    )
    images = with_labels(plain, NAMES, given)
    assert [NAMES[k] for k in np.flatnonzero(images.is_test)] == ["000.jpg", "001.jpg"]
    assert not images.is_training[2]
    assert images.is_training[3:].all()


def test_a_fifth_of_each_class_is_the_test_set_and_hardly_changes_with_a_label_more(plain: ImageSet) -> None:
    before = said(*(Label(images=(name,), of="ab"[k % 2]) for k, name in enumerate(NAMES[:30])))
    images = with_labels(plain, NAMES, before)
    assert [int((images.labels[images.is_test] == k).sum()) for k in (0, 1)] == [3, 3]
    after = with_labels(
        plain,
        NAMES,
        said(*[Label(images=(n,), of=g.of) for n, g in before.given.items()], Label(images=(NAMES[30],), of="a")),
    )
    assert int((images.is_test != after.is_test).sum()) <= 2


def test_a_sets_own_labels_and_test_images_count_until_the_log_says_otherwise(plain: ImageSet) -> None:
    own = replace(
        plain,
        labels=np.where(np.arange(40) < 20, np.arange(40) % 2, -1),
        class_names=("a", "b"),
        is_test=np.arange(40) < 4,
    )
    images = with_labels(own, NAMES, said(Classes(classes=("b", "a", "c")), Label(images=("005.jpg",), of="c")))
    assert labels_of(images) == {
        **{NAMES[k]: "ab"[k % 2] for k in range(20)},
        "005.jpg": "c",
    }
    np.testing.assert_array_equal(images.is_test, own.is_test)


def test_a_class_that_the_images_came_with_keeps_its_images_under_another_name(plain: ImageSet) -> None:
    own = replace(plain, labels=np.arange(40) % 2, class_names=("cat", "dog"))
    given = said(Classes(classes=("cat", "dog")), Rename(of="cat", to="kitten"), Rename(of="kitten", to="puss"))
    assert labels_of(with_labels(own, NAMES, given))["000.jpg"] == "puss"
    merged = said(Classes(classes=("cat", "dog")), Rename(of="cat", to="dog"))
    assert set(labels_of(with_labels(own, NAMES, merged)).values()) == {"dog"}


def test_a_label_leaves_the_classes_that_the_images_came_with_as_they_are(plain: ImageSet) -> None:
    own = replace(plain, labels=np.arange(40) % 2, class_names=("cat", "dog"))
    images = with_labels(own, NAMES, said(Label(images=("000.jpg",), of="dog"), Label(images=("001.jpg",), of="cow")))
    assert images.class_names == ("cat", "dog", "cow")
    assert (images.labels >= 0).all()
    assert images.labels[:4].tolist() == [1, 2, 0, 1]


def test_every_change_of_labels_changes_the_hash_and_the_same_labels_do_not(plain: ImageSet) -> None:
    one = Label(images=("000.jpg", "001.jpg"), of="a")
    versions = [
        said(one),
        said(one, Label(images=("001.jpg",), of="b")),
        said(one, Exclude(images=("009.jpg",))),
        said(one, HoldBack(images=("000.jpg",))),
        said(one, Classes(classes=("a", "b"))),
    ]
    hashes = [with_labels(plain, NAMES, given).content_hash for given in versions]
    assert len(set(hashes)) == len(versions)
    assert with_labels(plain, NAMES, said(one)).content_hash == hashes[0]


def test_pixel_statistics_leave_test_and_excluded_images_out(plain: ImageSet) -> None:
    given = said(
        HoldBack(images=("000.jpg",)), Label(images=("000.jpg", "002.jpg"), of="a"), Exclude(images=("001.jpg",))
    )
    images = with_labels(plain, NAMES, given)
    assert images.histogram.sum() == 38 * 64
