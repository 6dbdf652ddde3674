"""One image through the evaluations, by hand."""

from __future__ import annotations

import numpy as np

from engine.analysis.prediction_history import biographies


def test_images_are_followed_by_their_ids_whatever_order_a_snapshot_has_them_in() -> None:
    first = np.array([[0.9, 0.1], [0.3, 0.7], [0.6, 0.4]])
    second = np.array([[0.2, 0.8], [0.8, 0.2], [0.45, 0.55], [0.5, 0.5]])
    lives = biographies([10, 20], [np.array([7, 3, 5]), np.array([5, 7, 3, 9])], [first, second])
    assert lives.steps.tolist() == [10, 20]
    assert lives.ids.tolist() == [3, 5, 7]  # 9 was not looked at in both
    assert lives.labels.tolist() == [[1, 0, 0], [1, 1, 0]]
    assert lives.confidence.tolist() == [[0.7, 0.6, 0.9], [0.55, 0.8, 0.8]]


def test_flips_and_crossing() -> None:
    p = np.array([[[0.6, 0.4]], [[0.3, 0.7]], [[0.96, 0.04]], [[0.5, 0.5]], [[0.95, 0.05]], [[0.99, 0.01]]])
    lives = biographies([0, 10, 20, 30, 40, 50], [np.array([4])] * 6, list(p))
    assert lives.flips().tolist() == [2]
    assert lives.flipped_at(0) == [10, 20]
    assert lives.crossed(0, 0.95) == 40  # it was above at 20 already, but fell back
    assert lives.crossed(0, 0.5) == 0
    assert lives.crossed(0, 0.995) is None
