"""What a threshold would have kept, against counting one by one."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.analysis.thresholds import Guesses, kept, starved, sweep

CLASSES = 4


@st.composite
def some_guesses(draw: st.DrawFn) -> Guesses:
    n = draw(st.integers(0, 30))
    # As stored: half precision, with ties and values that thresholds in hundredths fall on.
    confidence = np.array(
        draw(st.lists(st.sampled_from([0.25, 0.5, 0.899, 0.9, 0.95, 0.999, 1.0]), min_size=n, max_size=n)), np.float16
    )
    labels = np.array(draw(st.lists(st.integers(0, CLASSES - 1), min_size=n, max_size=n)), np.int64)
    truth = np.array(draw(st.lists(st.integers(-1, CLASSES - 1), min_size=n, max_size=n)), np.int64)
    return Guesses(np.arange(n) * 7, labels, confidence, truth)


def one_by_one(guesses: Guesses, threshold: float) -> tuple[float, float, list[int], list[float]]:
    rows = list(zip(guesses.confidence.tolist(), guesses.labels.tolist(), guesses.truth.tolist(), strict=True))
    used = [row for row in rows if row[0] >= threshold]
    known = [row for row in used if row[2] >= 0]
    accuracy = sum(label == truth for _, label, truth in known) / len(known) if known else math.nan
    coverage = []
    for k in range(CLASSES):
        mine = [row for row in rows if row[2] == k]
        coverage.append(sum(row[0] >= threshold for row in mine) / len(mine) if mine else math.nan)
    return (
        len(used) / len(rows) if rows else 0.0,
        accuracy,
        [sum(row[1] == k for row in used) for k in range(CLASSES)],
        coverage,
    )


@settings(max_examples=60)
@given(some_guesses(), st.sampled_from([0.0, 0.25, 0.5, 0.89, 0.9, 0.95, 0.96, 1.0]))
def test_kept_is_what_counting_one_by_one_gives(guesses: Guesses, threshold: float) -> None:
    rate, accuracy, used, coverage = one_by_one(guesses, threshold)
    found = kept(guesses, threshold, CLASSES)
    assert found.mask_rate == pytest.approx(rate)
    assert found.accuracy == pytest.approx(accuracy, nan_ok=True)
    assert found.used.tolist() == used
    assert found.coverage.tolist() == pytest.approx(coverage, nan_ok=True)


@settings(max_examples=60)
@given(some_guesses())
def test_the_sweep_is_every_threshold_by_itself(guesses: Guesses) -> None:
    thresholds = np.linspace(0, 1, 101)
    rates, accuracies = sweep(guesses, thresholds)
    for threshold, rate, accuracy in zip(thresholds, rates, accuracies, strict=True):
        expected = one_by_one(guesses, float(threshold))
        assert rate == pytest.approx(expected[0])
        assert accuracy == pytest.approx(expected[1], nan_ok=True)


def test_a_class_with_less_than_a_quarter_of_an_even_share_is_starved_the_hungriest_first() -> None:
    assert starved(np.array([250, 24, 3, 123])).tolist() == [2, 1]
    assert starved(np.array([251, 25, 24, 100])).tolist() == [2]  # an even share is 100
    assert starved(np.array([25, 25, 25, 25])).tolist() == []
    assert starved(np.zeros(4, np.int64)).tolist() == []
