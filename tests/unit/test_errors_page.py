"""The numbers behind the Errors and Pseudo-labels pages, without a page."""

from __future__ import annotations

import numpy as np
import pytest

from engine.analysis.evaluated_run import Predictions
from engine.analysis.prediction_history import PredictionHistory
from engine.analysis.thresholds import PseudoLabelSet
from ui.errors.confusions import (
    cell_reader,
    changes_between,
    errors_of,
    images_of_cell,
    most_frequent_confusion,
    per_class_rows,
)
from ui.pseudo_labels.selections import below_threshold, confident_errors, most_changed
from ui.shell.remembered import share_from_text


def predictions(ids: list[int], truth: list[int], predicted: list[int], confidence: list[float]) -> Predictions:
    """Of three classes; what is left of the confidence is shared by the two others."""
    table = np.array(
        [[c if k == label else (1 - c) / 2 for k in range(3)] for label, c in zip(predicted, confidence, strict=True)]
    )
    return Predictions(20, "test", np.array(ids), table, np.array(truth))


MINE = predictions([1, 2, 3, 4, 5], [0, 0, 1, 1, 1], [0, 1, 0, 1, 0], [0.9, 0.6, 0.7, 0.8, 0.95])


def test_the_most_frequent_confusion_is_the_largest_count_off_the_diagonal() -> None:
    assert most_frequent_confusion(np.array([[9, 1, 0], [0, 9, 3], [2, 0, 9]])) == (1, 2)
    assert most_frequent_confusion(np.diag([3, 3, 3])) is None


def test_a_cell_of_a_link_is_read_or_refused() -> None:
    read = cell_reader(10)
    assert read("(3, 8)") == (3, 8)
    for text in ("(3, 10)", "(-1, 2)", "(3)", "x", "(1, 2, 3)"):
        with pytest.raises(ValueError):
            read(text)


def test_images_of_a_cell_and_errors_come_with_the_most_confident_first() -> None:
    assert images_of_cell(MINE, (1, 0)).tolist() == [4, 2]
    assert errors_of(MINE).tolist() == [4, 2, 1]


def test_of_a_class_that_is_never_predicted_precision_says_nothing() -> None:
    first, second, third = per_class_rows(MINE, ("cat", "dog", "fox"))
    assert [first[name] for name in ("precision", "recall", "F1", "images")] == pytest.approx([100 / 3, 50, 40, 2])
    assert [second[name] for name in ("precision", "recall", "F1", "images")] == pytest.approx([50, 100 / 3, 40, 3])
    assert third == {"class": "fox", "precision": None, "recall": None, "F1": None, "images": 0}


def test_another_run_corrects_and_breaks_images_that_both_evaluated() -> None:
    other = predictions([5, 2, 1, 9], [1, 0, 0, 0], [1, 1, 1, 0], [0.9, 0.9, 0.9, 0.9])
    changes = changes_between(MINE, other)
    assert changes.ids.tolist() == [1, 2, 5]
    assert changes.ids[changes.corrected].tolist() == [5]
    assert changes.ids[changes.broken].tolist() == [1]
    assert (changes.first.tolist(), changes.second.tolist()) == ([0, 1, 0], [1, 1, 1])


PSEUDO_LABELS = PseudoLabelSet(
    np.array([7, 3, 9]), np.array([0, 1, 1]), np.array([0.5, 0.99, 0.8]), np.array([1, 1, 0])
)


def test_galleries_of_pseudo_labels_begin_with_the_most_telling() -> None:
    assert confident_errors(PSEUDO_LABELS) == [(2, ()), (0, ())]
    assert below_threshold(PSEUDO_LABELS, 0.9) == [(2, ()), (0, ())]
    history = PredictionHistory(
        np.array([0, 10, 20]), np.array([3, 7, 8]), np.array([[0, 0, 0], [1, 0, 1], [0, 1, 0]]), np.ones((3, 3))
    )
    # Image 8 changed most often, but is not in the set.
    assert most_changed(PSEUDO_LABELS, history) == [(1, ("2 changes",)), (0, ("1 change",))]


def test_a_threshold_of_a_link_is_a_share() -> None:
    assert share_from_text("0.554") == 0.55
    for text in ("nan", "1.2", "-0.1", "x"):
        with pytest.raises(ValueError):
            share_from_text(text)
