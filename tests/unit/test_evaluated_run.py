"""What is asked of an evaluated run, against a run folder with a handful of known numbers."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from engine.analysis.evaluated_run import EvaluatedRun, Neighbor, stamp
from engine.errors import RunError
from engine.runs.folder import Status
from engine.runs.projections import Projection
from engine.runs.store import Run, Store
from engine.runs.stored_images import store_images, stored_images_of
from ui.space.point_colors import coloring

CONFIG = {
    "seed": 0,
    "data": {"name": "tiny"},
    "method": {"name": "fixmatch"},
    "backbone": {"name": "small"},
    "budget": {"steps": 20},
}
# Sample ids in no order: 30 and 10 are labeled, 5 and 40 unlabeled, 7 is for the test.
IDS = np.array([30, 5, 10, 7, 40])
PART = np.array([0, 1, 0, 3, 1], np.uint8)
FIRST = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7], [0.5, 0.5]], np.float32)
SECOND = np.array([[0.9, 0.1], [0.25, 0.75], [0.1, 0.9], [0.9, 0.1], [0.5, 0.5]], np.float32)
THIRD = np.array([[0.9, 0.1], [0.125, 0.875], [0.1, 0.9], [0.8, 0.2], [0.4, 0.6]], np.float32)
# Of length 5, so that cosines are 0.8 and 0.6 by hand.
EMBEDDINGS = np.array([[5, 0], [4, 3], [0, 5], [0, -5], [-3, 4]], np.float32)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    store = Store(tmp_path)
    folder = store.create(CONFIG)
    images = np.arange(6, dtype=np.uint8).reshape(6, 1, 1, 1)
    ids, labels = np.array([5, 7, 10, 30, 40, 50]), np.array([1, 0, 1, 0, -1, 1])
    store_images(tmp_path, "abc", images, labels, ids, ("cat", "dog"))
    folder.add_event("start", 0, pictures="abc")
    for step, probabilities in ((0, FIRST), (10, SECOND), (20, THIRD)):
        folder.write_snapshot(
            step, {"ids": IDS, "part": PART, "probabilities": probabilities, "embeddings": EMBEDDINGS}
        )
    folder.write_status(Status("finished", step=20, steps=20))
    return store.run(folder.id)


def test_it_knows_its_evaluations_its_images_and_their_labels(run: Run) -> None:
    evaluated = EvaluatedRun(run)
    assert evaluated.steps == (0, 10, 20)
    assert evaluated.content == "abc"
    assert evaluated.class_names == ("cat", "dog")
    assert evaluated.sampled == 5
    assert not evaluated.has_projections
    assert evaluated.true_labels(np.array([30, 40, 99, 10])).tolist() == [0, -1, -1, 1]  # there is no image 99
    assert evaluated.pixels(30).tolist() == [[[3]]]
    for absent in (8, 99):  # between two that are there, and behind all
        with pytest.raises(RunError, match="The images in the cache are not those of this run: start a run on"):
            evaluated.pixels(absent)


def test_predictions_of_a_part_are_in_the_snapshots_order(run: Run) -> None:
    predictions = EvaluatedRun(run).predictions(10, "unlabeled")
    assert predictions.ids.tolist() == [5, 40]
    assert predictions.labels.tolist() == [1, 0]
    assert predictions.confidence.tolist() == [0.75, 0.5]
    assert predictions.true_labels.tolist() == [1, -1]
    assert predictions.with_known_label().ids.tolist() == [5]


def test_predictions_are_found_by_id_whatever_part_an_image_belongs_to(run: Run) -> None:
    labels, confidence = EvaluatedRun(run).predictions_of(np.array([7, 99, 30]), 0)
    assert labels.tolist() == [1, -1, 0]
    np.testing.assert_allclose(confidence, [0.7, np.nan, 0.9], rtol=1e-6)


def test_the_history_of_an_image_is_everything_that_is_shown_of_it(run: Run) -> None:
    history = EvaluatedRun(run).image_history(5, 10, neighbors=6)
    assert history is not None
    assert history.true_label == 1
    assert history.steps.tolist() == [0, 10, 20]
    assert history.labels.tolist() == [0, 1, 1]
    np.testing.assert_allclose(history.confidence, [0.6, 0.75, 0.875], rtol=1e-6)
    assert history.changed_at == [10]
    assert history.first_above(0.75) == 10
    assert history.first_above(0.9) is None
    assert history.likeliest(2) == [(1, 0.75), (0, 0.25)]
    # (4, 3) / 5 against (1, 0) and (0, 1); the labels are those of images 30 and 10.
    assert [(near.id, round(near.cosine, 6), near.true_label) for near in history.nearest] == [
        (30, 0.8, 0),
        (10, 0.6, 1),
    ]


def test_a_labeled_image_is_not_its_own_neighbor_and_no_more_are_named_than_asked_for(run: Run) -> None:
    evaluated = EvaluatedRun(run)
    assert evaluated.nearest_labeled(0, 30, 6) == (Neighbor(10, 0.0, 1),)
    assert [near.id for near in evaluated.nearest_labeled(0, 5, 1)] == [30]
    assert evaluated.nearest_labeled(0, 99, 6) == ()


def test_an_image_that_was_never_evaluated_has_no_history(run: Run) -> None:
    assert EvaluatedRun(run).image_history(50, 20) is None


@pytest.mark.parametrize("damage", ["probabilities", "part", "ids"])
def test_a_damaged_snapshot_is_one_sentence_and_the_history_of_the_others_stays(run: Run, damage: str) -> None:
    arrays = {"ids": IDS, "part": PART, "probabilities": SECOND, "embeddings": EMBEDDINGS}
    run.folder.write_snapshot(10, {**arrays, damage: arrays[damage][:3]})
    evaluated = EvaluatedRun(run)
    with pytest.raises(RunError) as error:
        evaluated.predictions(10, "test")
    assert str(error.value).startswith(f"The snapshot of step 10 of run {run.id} cannot be read (")
    assert str(error.value).endswith(" is not as long as the arrays that belong to it).")
    history = evaluated.image_history(5, 20)
    assert history is not None
    assert history.steps.tolist() == [0, 20]


def test_a_snapshot_is_read_once_until_it_is_rewritten(run: Run) -> None:
    evaluated = EvaluatedRun(run)
    assert evaluated.snapshot(10) is evaluated.snapshot(10)
    before, path = stamp(run), run.folder.snapshots / "00000020.npz"
    run.folder.write_snapshot(20, {"ids": IDS, "part": PART, "probabilities": FIRST, "embeddings": EMBEDDINGS})
    os.utime(path, ns=(1, 1))  # the clock of some disks is coarse
    assert stamp(run) != before
    assert evaluated.predictions(20, "test").probabilities.tolist() == FIRST[3:4].tolist()


def test_without_the_images_classes_are_numbered_and_no_label_is_known(run: Run, tmp_path: Path) -> None:
    (tmp_path / ".pictures" / "abc" / "images.npy").unlink()
    evaluated = EvaluatedRun(run)
    assert stored_images_of(run.folder) is None
    assert evaluated.class_names == ("class 0", "class 1")
    assert evaluated.true_labels(np.array([5])).tolist() == [-1]
    with pytest.raises(RunError, match="are not on this machine"):
        evaluated.pixels(5)


def test_a_network_without_classes_predicts_nothing(run: Run) -> None:
    run.folder.write_snapshot(20, {"ids": IDS, "part": PART, "embeddings": EMBEDDINGS})
    evaluated = EvaluatedRun(run)
    assert len(evaluated.predictions(20, "test")) == 0
    assert evaluated.predictions_of(np.array([7]), 20)[0].tolist() == [-1]
    assert evaluated.image_history(5, 20) is None


def test_runs_share_images_where_their_content_is_the_same(run: Run, tmp_path: Path) -> None:
    store = Store(tmp_path)
    same, other, queued = (store.create(CONFIG) for _ in range(3))
    same.add_event("start", 0, pictures="abc")
    other.add_event("start", 0, pictures="def")
    others = EvaluatedRun(run).with_same_images([*store.runs(), run])
    assert [found.id for found in others] == [same.id]
    assert queued.content_hash() is None


def test_a_run_without_an_evaluation_is_refused(tmp_path: Path) -> None:
    store = Store(tmp_path)
    run = store.run(store.create(CONFIG).id)
    with pytest.raises(RunError, match="has not been evaluated yet"):
        EvaluatedRun(run)
    assert stamp(run)[0] == 0


def test_a_point_whose_class_nobody_knows_is_neither_correct_nor_incorrect(run: Run) -> None:
    """At step 0 images 10 and 30 are taken for what they are, 5 and 7 are not; of 40 nothing is known."""
    ids, none = np.sort(IDS), np.zeros(0)
    part, labels = PART[np.argsort(IDS)], np.array([1, 0, 1, 0, -1])
    projection = Projection(ids, part, labels, np.zeros((1, 5, 2), np.float32), np.array([0]), none, none, none, 0.0)
    colored = coloring(EvaluatedRun(run), projection, "right", 0)
    assert colored.groups is not None
    assert [colored.names[k] for k in colored.groups] == ["incorrect", "incorrect", "correct", "correct", "unknown"]
