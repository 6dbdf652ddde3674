"""Metrics against scikit-learn, against their definitions as slow loops, and against examples small enough for
paper.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics as sk

from engine.analysis.metrics import calibration, confusion, expected_calibration_error, headline, per_class, summary
from engine.errors import ShapeError

SEEDS = range(6)
HAND = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.55, 0.45]])  # says 0, 0, 1, 0
HAND_LABELS = np.array([0, 1, 1, 0])


def answers(
    seed: int, count: int = 60, classes: int = 5, absent: tuple[int, ...] = ()
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Random probabilities and labels; `absent` classes never occur among the labels."""
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(classes) * 0.7, count)
    labels = rng.choice([k for k in range(classes) if k not in absent], count)
    return probabilities, labels


@pytest.mark.parametrize("absent", [(), (2,), (0, 4), (1, 2, 3, 4)])
@pytest.mark.parametrize("seed", SEEDS)
def test_accuracy_f1_and_confusion_agree_with_scikit_learn_also_where_classes_are_absent(
    seed: int, absent: tuple[int, ...]
) -> None:
    probabilities, labels = answers(seed, absent=absent)
    guess, classes = probabilities.argmax(1), list(range(5))
    found = summary(probabilities, labels)
    assert found["accuracy"] == pytest.approx(sk.accuracy_score(labels, guess), abs=1e-12)
    assert found["macro_f1"] == pytest.approx(
        sk.f1_score(labels, guess, labels=classes, average="macro", zero_division=0), abs=1e-12
    )
    counts = confusion(probabilities, labels)
    assert counts.tolist() == sk.confusion_matrix(labels, guess, labels=classes).tolist()
    table = per_class(counts)
    precision, recall, f1, support = sk.precision_recall_fscore_support(labels, guess, labels=classes, zero_division=0)
    for name, theirs in (("precision", precision), ("recall", recall), ("f1", f1), ("support", support)):
        assert table[name].tolist() == pytest.approx(theirs.tolist(), abs=1e-12), name
    assert found["macro_f1"] == pytest.approx(table["f1"].mean(), abs=1e-12)


@pytest.mark.parametrize("absent", [(), (2,), (0, 4)])
@pytest.mark.parametrize("seed", SEEDS)
def test_auc_is_the_chance_that_a_positive_ranks_above_a_negative(seed: int, absent: tuple[int, ...]) -> None:
    probabilities, labels = answers(seed, absent=absent)
    probabilities = probabilities.round(1)  # many ties, each worth one half
    areas = []
    for k in set(range(5)) - set(absent):
        positive, negative = probabilities[labels == k, k], probabilities[labels != k, k]
        areas.append(
            sum((p > n) + 0.5 * (p == n) for p in positive for n in negative) / (len(positive) * len(negative))
        )
    assert summary(probabilities, labels)["auc_roc"] == pytest.approx(float(np.mean(areas)), abs=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_auc_agrees_with_scikit_learns_one_against_the_rest_when_all_classes_occur(seed: int) -> None:
    probabilities, labels = answers(seed)
    assert set(labels) == set(range(5))
    assert summary(probabilities, labels)["auc_roc"] == pytest.approx(
        sk.roc_auc_score(labels, probabilities, multi_class="ovr", average="macro"), abs=1e-12
    )


def test_auc_is_left_out_when_only_one_class_occurs() -> None:
    assert summary(HAND, np.zeros(4, np.int64)).keys() == {"accuracy", "ece", "macro_f1"}


@pytest.mark.parametrize("bins", [1, 5, 15, 40])
@pytest.mark.parametrize("seed", SEEDS)
def test_the_calibration_error_agrees_with_a_slow_loop(seed: int, bins: int) -> None:
    probabilities, labels = answers(seed, count=200)
    expected = 0.0
    for b in range(bins):
        inside = [i for i, row in enumerate(probabilities) if b / bins < row.max() <= (b + 1) / bins]
        if inside:
            accuracy = sum(probabilities[i].argmax() == labels[i] for i in inside) / len(inside)
            confidence = sum(probabilities[i].max() for i in inside) / len(inside)
            expected += len(inside) / len(labels) * abs(accuracy - confidence)
    assert expected_calibration_error(probabilities, labels, bins) == pytest.approx(expected, abs=1e-12)


def test_the_calibration_error_of_four_answers_on_paper() -> None:
    # Two bins of width one half: all four answers lie in the upper one. Right are 3 of 4; mean confidence (.9 + .8 + .7
    # + .55) / 4 = .7375.
    assert expected_calibration_error(HAND, HAND_LABELS, bins=2) == pytest.approx(0.75 - 0.7375)
    # Ten bins: .9 right, .8 wrong, .7 right, .55 right stand alone: (.1 + .8 + .3 + .45) / 4.
    assert expected_calibration_error(HAND, HAND_LABELS, bins=10) == pytest.approx(1.65 / 4)
    assert headline(HAND, HAND_LABELS)["accuracy"] == 0.75


def test_a_calibration_bin_counts_averages_and_includes_its_right_edge() -> None:
    probabilities = np.array([[0.5, 0.5], [0.75, 0.25], [0.8, 0.2], [1.0, 0.0]])
    table = calibration(probabilities, np.array([0, 1, 0, 0]), bins=4)
    assert table.edges.tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert table.count.tolist() == [0, 1, 1, 2]  # .5 closes the second bin and .75 the third
    assert table.confidence.tolist() == pytest.approx([0, 0.5, 0.75, 0.9])
    assert table.accuracy.tolist() == [0, 1, 0, 1]


def test_perfect_and_perfectly_wrong_answers_are_the_ends_of_every_scale() -> None:
    labels = np.array([0, 1, 2])
    right = summary(np.eye(3), labels)
    assert right == {"accuracy": 1.0, "ece": 0.0, "macro_f1": 1.0, "auc_roc": 1.0}
    wrong = summary(np.eye(3)[[1, 2, 0]], labels)
    # Of its two negatives, a positive's 0 ties with one and loses to the other.
    assert wrong == {
        "accuracy": 0.0,
        "ece": 1.0,
        "macro_f1": 0.0,
        "auc_roc": pytest.approx(0.25),
    }


@given(st.permutations(range(20)))
def test_the_order_of_the_samples_changes_nothing(order: list[int]) -> None:
    probabilities, labels = answers(3, count=20)
    shuffled = summary(probabilities[order], labels[order])
    assert shuffled == pytest.approx(summary(probabilities, labels), abs=1e-12)


def test_lengths_that_differ_and_no_samples_are_refused() -> None:
    with pytest.raises(ShapeError) as refused:
        headline(HAND, HAND_LABELS[:3])
    assert str(refused.value) == "Probabilities and labels must have one length above 0, but have 4 and 3."
    with pytest.raises(ShapeError) as refused:
        confusion(HAND[:0], HAND_LABELS[:0])
    assert str(refused.value) == "Probabilities and labels must have one length above 0, but have 0 and 0."
