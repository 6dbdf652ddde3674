"""What the page Candidates counts, on weights whose every figure can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from engine.analysis.candidate_weights import several_only

SETS = np.array([[1, 1, 0], [1, 1, 1], [0, 1, 1], [0, 1, 0], [1, 0, 1]], dtype=bool)
WEIGHTS = np.array([[0.95, 0.05, 0], [0.2, 0.5, 0.3], [0, 0.96, 0.04], [0, 1, 0], [0.5, 0, 0.5]])
TRUTH = np.array([1, 1, 1, 1, -1])
IDS = np.array([40, 10, 30, 20, 50])


def test_images_with_one_candidate_are_left_out() -> None:
    weights = several_only(IDS, WEIGHTS, SETS, TRUTH)
    assert weights.ids.tolist() == [40, 10, 30, 50]
    assert len(weights) == 4


def test_a_wrong_survivor_holds_nearly_all_weight_and_is_not_the_true_label() -> None:
    weights = several_only(IDS, WEIGHTS, SETS, TRUTH)
    assert weights.ids[weights.wrong_survivors()].tolist() == [40]
    assert weights.ids[weights.decided_rightly()].tolist() == [30]


def test_the_least_decided_come_first() -> None:
    weights = several_only(IDS, WEIGHTS, SETS, TRUTH)
    assert weights.ids[weights.undecided()].tolist() == [10, 50, 40, 30]
    assert weights.heaviest.tolist() == [0, 1, 1, 0]


def test_the_figures_are_those_of_the_run() -> None:
    known = several_only(IDS[:3], WEIGHTS[:3], SETS[:3], TRUTH[:3])
    assert known.identified == pytest.approx(2 / 3)
    assert known.survivors == pytest.approx(1 / 3)
    entropy = [
        -(0.95 * np.log(0.95) + 0.05 * np.log(0.05)) / np.log(2),
        -(0.2 * np.log(0.2) + 0.5 * np.log(0.5) + 0.3 * np.log(0.3)) / np.log(3),
        -(0.96 * np.log(0.96) + 0.04 * np.log(0.04)) / np.log(2),
    ]
    assert known.ambiguity == pytest.approx(np.mean(entropy), abs=1e-6)
