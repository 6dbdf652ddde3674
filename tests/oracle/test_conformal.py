"""Prediction sets against MAPIE's, and against what they promise."""

from __future__ import annotations

import numpy as np
import pytest
from mapie.classification import SplitConformalClassifier
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from engine.analysis.certainty import Certainty, Decision
from engine.analysis.conformal import COVERAGES, Conformal, conformal, labels_needed, prediction_sets


@pytest.mark.parametrize("held_out", [25, 117, 300])
@pytest.mark.parametrize("seed", [0, 1])
def test_sets_are_those_of_mapie(held_out: int, seed: int) -> None:
    draws = np.random.default_rng(seed)
    labels = draws.integers(0, 4, 800)
    features = draws.normal(0, 1, (800, 3)) + 1.2 * np.eye(4)[labels][:, :3]
    model = LogisticRegression().fit(features[:200], labels[:200])
    rest, true = features[200:], labels[200:]
    probabilities = model.predict_proba(rest)
    found = conformal(probabilities[:held_out], true[:held_out])
    for coverage, cutoff in found.cutoffs.items():
        theirs = SplitConformalClassifier(
            estimator=model, confidence_level=coverage, conformity_score="lac", prefit=True
        ).conformalize(rest[:held_out], true[:held_out])
        _, sets = theirs.predict_set(rest[held_out:])
        wanted = sets[:, :, 0]
        empty = np.flatnonzero(~wanted.any(1))  # ours hold the most probable class in any case
        wanted[empty, probabilities[held_out:][empty].argmax(1)] = True
        assert (prediction_sets(probabilities[held_out:], cutoff) == wanted).all(), coverage
    assert found.labels == held_out


def draw(n: int, draws: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Probabilities that are far too sure, and classes drawn from the right ones."""
    right = draws.dirichlet([0.6, 0.6, 0.6], n)
    labels = np.array([draws.choice(3, p=p) for p in right])
    powers = right**3
    return powers / powers.sum(1, keepdims=True), labels


def test_sets_hold_the_true_class_as_often_as_is_promised_also_for_a_model_that_is_too_sure() -> None:
    """Over 400 draws of 60 held-out images; the mean is off by less than 4 of its own standard errors."""
    draws = np.random.default_rng(0)
    held = {coverage: list[float]() for coverage in (0.8, 0.9, 0.95)}
    for _ in range(400):
        found = conformal(*draw(60, draws))
        probabilities, labels = draw(60, draws)
        for coverage, shares in held.items():
            shares.append(float((probabilities >= found.cutoffs[coverage])[np.arange(60), labels].mean()))
            sets = prediction_sets(probabilities, found.cutoffs[coverage])
            assert sets[np.arange(60), labels].mean() >= shares[-1]  # the most probable class only adds to it
    for coverage, shares in held.items():
        error = np.std(shares) / np.sqrt(len(shares))
        exact = np.ceil(61 * coverage) / 61  # what the method gives for 60 labels, at least the coverage
        assert abs(np.mean(shares) - exact) < 4 * error, coverage


def test_a_coverage_needs_so_many_labels_that_one_image_is_allowed_to_fail() -> None:
    assert [labels_needed(coverage) for coverage in COVERAGES] == [4, 9, 19, 99]
    probabilities = np.linspace(0.99, 0.5, 19)[:, None] * [[1.0, 0.0]] + [[0.0, 1.0]] * (
        1 - np.linspace(0.99, 0.5, 19)[:, None]
    )
    labels = np.zeros(19, np.int64)
    assert sorted(conformal(probabilities, labels).cutoffs) == [0.8, 0.9, 0.95]
    assert sorted(conformal(probabilities[:18], labels[:18]).cutoffs) == [0.8, 0.9]
    assert conformal(probabilities, labels).cutoffs[0.95] == pytest.approx(0.5)  # the least sure one of 19
    assert conformal(probabilities[:0], labels[:0]) == Conformal(0, {})


def test_what_was_written_is_read_and_anything_else_is_refused() -> None:
    kept = Conformal(40, {0.8: 0.5, 0.9: 1 / 3})
    assert Conformal.read(kept.plain()) == kept
    damaged: list[object] = [None, [], {"labels": 3}, {"labels": 3, "cutoffs": {"2": 0.1}}]
    for wrong in [*damaged, {"labels": 3, "cutoffs": {"0.9": "x"}}]:
        with pytest.raises(ValueError):
            Conformal.read(wrong)


def test_sure_is_one_possible_class_of_an_image_that_is_not_unlike_the_labeled_ones() -> None:
    certainty = Certainty(Conformal(40, {0.9: 0.3}), usual=0.5)
    sure, two, low = np.array([0.8, 0.1, 0.1]), np.array([0.3, 0.1, 0.6]), np.array([0.29, 0.28, 0.28])
    assert certainty.decide(sure, 0.4, 0.9).sure is True
    assert certainty.decide(sure, 0.6, 0.9).sure is False
    assert certainty.decide(two, 0.4, 0.9).possible == (2, 0)
    assert certainty.decide(low, 0.4, 0.9) == Decision((0,), False, False)
    assert certainty.decide(low, 0.4, 0.9).sure is False
    assert certainty.decide(sure, None, 0.9) == Decision((0,), True, None)
    assert certainty.decide(sure, 0.4, 0.99).sure is None
    assert certainty.too_few(0.9) is None
    assert certainty.too_few(0.99) == ("A coverage of 99% needs 99 labeled validation images, and this model has 40.")
    assert Certainty.read(certainty.plain()) == certainty
    assert Certainty.read(Certainty().plain()) == Certainty()


def test_more_coverage_names_more_classes_and_makes_fewer_answers_sure() -> None:
    draws = np.random.default_rng(3)
    probabilities, labels = draw(400, draws)
    certainty = Certainty(conformal(probabilities[:200], labels[:200]))
    sets, sure = [], []
    for coverage in (0.8, 0.9, 0.95, 0.99):
        decisions = [certainty.decide(one, None, coverage) for one in probabilities[200:]]
        sets.append(sum(len(one.possible or ()) for one in decisions))
        sure.append(sum(one.sure is True for one in decisions))
    assert sets == sorted(sets)
    assert sure == sorted(sure, reverse=True)
    assert sure[0] > sure[-1] > 0
