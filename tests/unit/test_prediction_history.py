"""Images through the evaluations of a run, by hand."""

from __future__ import annotations

import numpy as np

from engine.analysis.prediction_history import changed_at, first_above, prediction_history


def test_images_are_followed_by_their_ids_whatever_order_a_snapshot_has_them_in() -> None:
    first = np.array([[0.9, 0.1], [0.3, 0.7], [0.6, 0.4]])
    second = np.array([[0.2, 0.8], [0.8, 0.2], [0.45, 0.55], [0.5, 0.5]])
    history = prediction_history([10, 20], [np.array([7, 3, 5]), np.array([5, 7, 3, 9])], [first, second])
    assert history.steps.tolist() == [10, 20]
    assert history.ids.tolist() == [3, 5, 7]  # 9 was not looked at in both
    assert history.labels.tolist() == [[1, 0, 0], [1, 1, 0]]
    assert history.confidence.tolist() == [[0.7, 0.6, 0.9], [0.55, 0.8, 0.8]]
    assert history.changes().tolist() == [0, 1, 0]


def test_a_run_without_evaluations_has_a_history_of_no_images() -> None:
    history = prediction_history([], [], [])
    assert (history.steps.size, history.ids.size, history.changes().size) == (0, 0, 0)


def test_a_prediction_changes_where_it_differs_from_the_one_before() -> None:
    steps = np.array([0, 10, 20, 30])
    assert changed_at(steps, np.array([0, 1, 0, 0])) == [10, 20]
    assert changed_at(steps, np.array([2, 2, 2, 2])) == []


def test_a_confidence_is_above_a_threshold_from_where_it_stays_there() -> None:
    steps = np.array([0, 10, 20, 30, 40, 50])
    confidence = np.array([0.6, 0.7, 0.96, 0.5, 0.95, 0.99])
    assert first_above(steps, confidence, 0.95) == 40  # it was above at 20 already, but fell back
    assert first_above(steps, confidence, 0.5) == 0
    assert first_above(steps, confidence, 0.995) is None
