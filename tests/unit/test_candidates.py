"""Candidate sets as drawn, and the figures that say how far the true labels have been found."""

from __future__ import annotations

import math

import numpy as np
import pytest

from engine.analysis.candidates import ambiguity_left, identified, survivors
from engine.config.run_config import RunConfig
from engine.data.candidate_labels import uniform_candidates
from engine.data.split import make_split
from engine.training.assemble import load_images

LABELS = np.arange(20_000) % 10


def drawn(rate: float, repair: bool, seed: int = 0) -> np.ndarray:
    return uniform_candidates(LABELS, 10, rate, np.random.default_rng(seed), repair)


# Closed forms for K = 10: mean size 1 + 9q, and with repair (1 - q)^9 more; each mean has the standard deviation sqrt(9
# q (1 - q) / n).
@pytest.mark.parametrize(
    ("rate", "plain", "repaired", "alone"),
    [
        (0.1, 1.9, 2.28742, 0.38742),
        (0.3, 3.7, 3.74035, 0.04035),
        (0.5, 5.5, 5.50195, 0.00195),
        (0.7, 7.3, 7.30002, 0.0),
    ],
)
def test_sets_have_the_sizes_that_follow_from_the_rate(
    rate: float, plain: float, repaired: float, alone: float
) -> None:
    tolerance = 4 * math.sqrt(9 * rate * (1 - rate) / len(LABELS))
    assert drawn(rate, False).sum(1).mean() == pytest.approx(plain, abs=tolerance)
    assert drawn(rate, True).sum(1).mean() == pytest.approx(repaired, abs=tolerance)
    assert (drawn(rate, False).sum(1) == 1).mean() == pytest.approx(alone, abs=0.015)
    assert drawn(rate, True).sum(1).min() >= 2


@pytest.mark.parametrize("repair", [True, False])
def test_the_true_label_is_always_inside_and_every_wrong_one_equally_often(repair: bool) -> None:
    sets = drawn(0.3, repair)
    assert sets[np.arange(len(LABELS)), LABELS].all()
    wrong = sets[LABELS == 3].mean(0)
    expected = 0.304484 if repair else 0.3
    assert np.delete(wrong, 3) == pytest.approx(expected, abs=4 * math.sqrt(0.21 / 2000))


def test_repair_changes_only_the_sets_of_one() -> None:
    plain, repaired = drawn(0.1, False), drawn(0.1, True)
    assert np.array_equal(plain[plain.sum(1) > 1], repaired[plain.sum(1) > 1])
    assert (repaired[plain.sum(1) == 1].sum(1) == 2).all()


def config(rate: float, seed: int = 0, kind: str = "partial") -> RunConfig:
    labels = {"kind": "partial", "rate": rate} if kind == "partial" else {"kind": "all"}
    return RunConfig.parse(
        {
            "method": "proden" if kind == "partial" else "supervised",
            "seed": seed,
            "data": {"name": "digits", "labels": labels},
        }
    )


def test_the_rate_changes_the_sets_and_never_the_split() -> None:
    images = load_images(config(0.3))
    splits = [make_split(images, config(rate).data) for rate in (0.3, 0.3, 0.7)] + [
        make_split(images, config(0.3, kind="all").data)
    ]
    for part in ("pool", "validation", "test"):
        assert all(np.array_equal(getattr(splits[0], part), getattr(split, part)) for split in splits)
    assert splits[3].candidates is None
    sets = [split.candidates for split in splits[:3] if split.candidates is not None]
    assert len(sets) == 3
    assert np.array_equal(sets[0], sets[1])
    assert not np.array_equal(sets[0], sets[2])
    other = make_split(images, config(0.3, seed=1).data)
    assert other.candidates is not None
    assert not np.array_equal(sets[0], other.candidates)
    assert len(splits[0].labeled) == 0
    assert sets[0].shape == (len(splits[0].pool), 10)


OLD = np.array([[0.5, 0.3, 0, 0.2], [0, 0.4, 0.6, 0], [0, 1, 0, 0]], np.float32)
NEW = np.array(
    [[0.7361247243, 0.1642516276, 0, 0.0996236481], [0, 0.6899744811, 0.3100255189, 0], [0, 1, 0, 0]], np.float32
)
SETS = np.array([[1, 1, 0, 1], [0, 1, 1, 0], [0, 1, 0, 0]], bool)
TRUTH = np.array([0, 1, 1])


def test_ambiguity_is_entropy_relative_to_the_size_of_the_set() -> None:
    assert ambiguity_left(OLD, SETS) == pytest.approx((0.9372305632 + 0.9709505945) / 2, abs=1e-6)
    assert ambiguity_left(NEW, SETS) == pytest.approx((0.6844821031 + 0.8932029133) / 2, abs=1e-6)
    assert ambiguity_left(SETS / SETS.sum(1, keepdims=True), SETS) == pytest.approx(1)


def test_an_image_with_one_candidate_counts_nowhere() -> None:
    assert identified(OLD, SETS, TRUTH) == 0.5
    assert identified(NEW, SETS, TRUTH) == 1.0
    assert ambiguity_left(OLD[2:], SETS[2:]) is None
    assert identified(OLD[2:], SETS[2:], TRUTH[2:]) is None
    assert survivors(OLD[2:], SETS[2:], TRUTH[2:]) is None


def test_a_survivor_is_wrong_and_sure() -> None:
    weights = np.array([[0.95, 0.05], [0.05, 0.95], [0.6, 0.4]], np.float32)
    assert survivors(weights, np.ones((3, 2), bool), np.array([1, 1, 1])) == pytest.approx(1 / 3)
