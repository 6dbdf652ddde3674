"""A set that is being labeled: what the labels so far say, what comes next, and the test set that was held back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.data.image_set import ImageSet
from engine.data.labels.label_log import LabelLog
from engine.data.labels.label_records import Classes, Exclude, HoldBack, Label, Record, Rename, Skip
from engine.data.labels.labeling import Labeling

COUNT = 90
NAMES = tuple(f"{k:02}.jpg" for k in range(COUNT))
TRUTH = np.arange(COUNT) % 3
CLASSES = ("a", "b", "c")


@pytest.fixture
def labeling(tmp_path: Path) -> Labeling:
    """Ninety images of three groups that their features tell apart."""
    pixels = np.zeros((COUNT, 1, 8, 8), np.uint8)
    none = np.zeros(COUNT, bool)
    images = ImageSet("folder", pixels, np.full(COUNT, -1), np.arange(COUNT), none, (), file_names=NAMES)
    rng = np.random.default_rng(0)
    np.save(tmp_path / "features.npy", (np.eye(3)[TRUTH] * 4 + rng.normal(size=(COUNT, 3))).astype(np.float32))
    found = Labeling(images, LabelLog(tmp_path / "log"))
    found.use_features(tmp_path / "features.npy")
    return found


def say(labeling: Labeling, *records: Record) -> None:
    labeling.log.append(f"tab{labeling.log.labels().number}", 1, records)


def label(labeling: Labeling, rows: range) -> None:
    say(labeling, *(Label(images=(NAMES[row],), of=CLASSES[TRUTH[row]]) for row in rows))


def test_before_the_first_label_images_that_stand_for_others_come(labeling: Labeling) -> None:
    say(labeling, Classes(classes=CLASSES))
    standing = labeling.standing()
    assert (standing.head, standing.accuracy, standing.counts) == (None, None, [0, 0, 0])
    queue = labeling.queue(standing, 3, "auto")
    assert [one.strategy for one in queue] == ["spread"] * 3
    assert {int(TRUTH[one.row]) for one in queue} == {0, 1, 2}


def test_a_label_more_is_a_new_standing_and_the_same_labels_are_not_computed_again(labeling: Labeling) -> None:
    label(labeling, range(30))
    first = labeling.standing()
    assert labeling.standing() is first
    queue = labeling.queue(first, 9, "auto")
    assert labeling.queue(first, 9, "auto") == queue
    assert first.accuracy is not None
    assert (first.accuracy.total, first.is_held_back) == (30, False)
    assert first.accuracy.accuracy > 0.9
    assert first.head is not None
    assert float((first.head.predictions == TRUTH).mean()) > 0.9
    label(labeling, range(30, 31))
    assert labeling.standing().counts == [11, 10, 10]
    assert 30 in {row for row, _ in labeling.queue(first, len(TRUTH), "spread")}  # asked of the earlier standing
    assert 30 not in {row for row, _ in labeling.queue(labeling.standing(), len(TRUTH), "spread")}


def test_a_head_that_takes_long_rests_while_labels_come_and_then_learns_from_all(
    labeling: Labeling, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.data.labels.labeling._QUICK", 0.0)
    monkeypatch.setattr("engine.data.labels.labeling._REST", 1e9)
    label(labeling, range(30))
    first = labeling.standing()
    labeling.outlook()
    label(labeling, range(30, 33))
    hurried = labeling.standing()
    assert hurried.is_behind
    assert hurried.head is first.head
    assert hurried.counts == [11, 11, 11]
    assert not {row for row, _ in labeling.queue(hurried, len(TRUTH), "margin")} & set(range(33))
    say(labeling, Rename(of=hurried.classes[0], to="another"))
    renamed = labeling.standing()
    assert not renamed.is_behind
    assert renamed.head is not None
    assert len(renamed.head.rows) == 33
    label(labeling, range(34, 35))
    assert labeling.standing().is_behind
    labeling.catch_up()
    caught_up = labeling.standing()
    assert not caught_up.is_behind
    assert caught_up.head is not None
    assert len(caught_up.head.rows) == 34
    labeling.catch_up()
    assert labeling.standing() is caught_up


def test_a_test_set_is_labeled_first_and_never_learned_from(labeling: Labeling) -> None:
    label(labeling, range(12))
    held = labeling.draw_test_set(20)
    assert len(set(held.images)) == 20
    say(labeling, held)
    standing = labeling.standing()
    queue = labeling.queue(standing, 100, "auto")
    assert {one.strategy for one in queue} == {"held_back"}
    assert [NAMES[one.row] for one in queue] == [name for name in held.images if name >= NAMES[12]]
    say(labeling, *(Label(images=(NAMES[one.row],), of=CLASSES[TRUTH[one.row]]) for one in queue))
    standing = labeling.standing()
    assert standing.head is not None
    assert not {NAMES[row] for row in standing.head.rows} & set(held.images)
    assert standing.is_held_back
    assert standing.accuracy is not None
    right = sum(standing.head.predictions[NAMES.index(name)] == TRUTH[NAMES.index(name)] for name in held.images)
    assert (standing.accuracy.right, standing.accuracy.total) == (right, 20)
    assert labeling.queue(standing, 5, "auto")[0].strategy != "held_back"


def test_labels_that_accuracy_counts_as_wrong_are_named_the_most_confident_first(labeling: Labeling) -> None:
    label(labeling, range(30))
    wrong = {3, 8, 16}
    say(labeling, *(Label(images=(NAMES[row],), of=CLASSES[(TRUTH[row] + 1) % 3]) for row in wrong))
    standing = labeling.standing()
    assert standing.accuracy is not None
    assert standing.head is not None
    assert standing.head.cross is not None
    found = standing.mistakes.tolist()
    assert len(found) == standing.accuracy.total - standing.accuracy.right
    assert wrong <= set(found)
    confidence = dict(zip(standing.head.rows.tolist(), standing.head.cross.max(1).tolist(), strict=True))
    assert found == sorted(found, key=lambda row: -confidence[row])


def test_of_a_test_set_the_wrong_ones_are_those_that_the_head_answers_otherwise(labeling: Labeling) -> None:
    label(labeling, range(30))
    say(labeling, HoldBack(images=NAMES[40:50]))
    say(labeling, *(Label(images=(NAMES[row],), of="a") for row in range(40, 50)))
    standing = labeling.standing()
    assert standing.head is not None
    assert set(standing.mistakes.tolist()) == {row for row in range(40, 50) if standing.head.predictions[row] != 0}
    assert len(standing.mistakes) >= 6  # as many as are of another class


def test_before_there_is_an_accuracy_there_are_no_mistakes(labeling: Labeling) -> None:
    label(labeling, range(1))
    assert labeling.standing().mistakes.tolist() == []


def test_what_was_labeled_last_comes_first(labeling: Labeling) -> None:
    for row in (5, 2, 7, 2):
        say(labeling, Label(images=(NAMES[row],), of="a"))
    say(labeling, Exclude(images=(NAMES[5],)))
    assert labeling.labeled(labeling.standing()).tolist() == [2, 7]


def test_a_held_back_image_is_not_proposed_for_training(labeling: Labeling) -> None:
    say(labeling, Classes(classes=CLASSES), HoldBack(images=NAMES[:80]), Skip(images=NAMES[:80]))
    assert {one.row for one in labeling.queue(labeling.standing(), 100, "spread")} == set(range(80, 90))


def test_what_was_excluded_or_skipped_does_not_come_again(labeling: Labeling) -> None:
    label(labeling, range(12))
    say(labeling, Exclude(images=NAMES[12:50]), Skip(images=NAMES[50:80]))
    assert {one.row for one in labeling.queue(labeling.standing(), 100, "auto")} == set(range(80, 90))
    assert sum(labeling.standing().counts) == 12


def test_without_features_images_come_at_random_and_nothing_is_claimed(labeling: Labeling, tmp_path: Path) -> None:
    bare = Labeling(labeling.images, LabelLog(tmp_path / "other"))
    label(bare, range(30))
    standing = bare.standing()
    assert (standing.head, standing.accuracy) == (None, None)
    queue = bare.queue(standing, 100, "auto")
    assert {one.strategy for one in queue} == {"random"}
    assert {one.row for one in queue} == set(range(30, 90))


def test_the_images_most_like_one_are_of_its_group(labeling: Labeling) -> None:
    nearest = labeling.nearest(4, 10)
    assert nearest[0] == 4
    assert {int(TRUTH[row]) for row in nearest} == {1}


def test_labels_that_came_with_the_images_are_learned_from(labeling: Labeling, tmp_path: Path) -> None:
    own = replace(labeling.images, labels=np.where(np.arange(COUNT) < 12, TRUTH, -1), class_names=CLASSES)
    other = Labeling(own, LabelLog(tmp_path / "own"))
    other.use_features(tmp_path / "features.npy")
    say(other, Label(images=(NAMES[0],), of="c"))
    assert other.standing().counts == [3, 4, 5]
