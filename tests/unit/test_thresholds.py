"""What a threshold would select, against counting one by one."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.analysis.thresholds import PseudoLabelSet, apply_threshold, sweep, underrepresented

CLASSES = 4


@st.composite
def some_predictions(draw: st.DrawFn) -> PseudoLabelSet:
    n = draw(st.integers(0, 30))
    # As stored: half precision, with ties and values that thresholds in hundredths fall on.
    confidence = np.array(
        draw(st.lists(st.sampled_from([0.25, 0.5, 0.899, 0.9, 0.95, 0.999, 1.0]), min_size=n, max_size=n)), np.float16
    )
    labels = np.array(draw(st.lists(st.integers(0, CLASSES - 1), min_size=n, max_size=n)), np.int64)
    truth = np.array(draw(st.lists(st.integers(-1, CLASSES - 1), min_size=n, max_size=n)), np.int64)
    return PseudoLabelSet(np.arange(n) * 7, labels, confidence, truth)


def one_by_one(predictions: PseudoLabelSet, threshold: float) -> tuple[float, float, list[int], list[float]]:
    rows = list(
        zip(predictions.confidence.tolist(), predictions.labels.tolist(), predictions.truth.tolist(), strict=True)
    )
    selected = [row for row in rows if row[0] >= threshold]
    known = [row for row in selected if row[2] >= 0]
    accuracy = sum(label == truth for _, label, truth in known) / len(known) if known else math.nan
    coverage = []
    for k in range(CLASSES):
        mine = [row for row in rows if row[2] == k]
        coverage.append(sum(row[0] >= threshold for row in mine) / len(mine) if mine else math.nan)
    return (
        len(selected) / len(rows) if rows else 0.0,
        accuracy,
        [sum(row[1] == k for row in selected) for k in range(CLASSES)],
        coverage,
    )


@settings(max_examples=60)
@given(some_predictions(), st.sampled_from([0.0, 0.25, 0.5, 0.89, 0.9, 0.95, 0.96, 1.0]))
def test_what_a_threshold_selects_is_what_counting_one_by_one_gives(
    predictions: PseudoLabelSet, threshold: float
) -> None:
    rate, accuracy, per_class, coverage = one_by_one(predictions, threshold)
    result = apply_threshold(predictions, threshold, CLASSES)
    assert result.count == sum(per_class)
    assert result.mask_rate == pytest.approx(rate)
    assert result.accuracy == pytest.approx(accuracy, nan_ok=True)
    assert result.per_class.tolist() == per_class
    # In double precision: 0.9 kept in 16 bits is below 0.9.
    assert result.incorrect == sum(
        confidence >= threshold and truth >= 0 and label != truth
        for confidence, label, truth in zip(
            predictions.confidence.tolist(), predictions.labels.tolist(), predictions.truth.tolist(), strict=True
        )
    )
    assert result.coverage.tolist() == pytest.approx(coverage, nan_ok=True)


@settings(max_examples=60)
@given(some_predictions())
def test_the_sweep_is_every_threshold_by_itself(predictions: PseudoLabelSet) -> None:
    thresholds = np.linspace(0, 1, 101)
    rates, accuracies = sweep(predictions, thresholds)
    for threshold, rate, accuracy in zip(thresholds, rates, accuracies, strict=True):
        expected = one_by_one(predictions, float(threshold))
        assert rate == pytest.approx(expected[0])
        assert accuracy == pytest.approx(expected[1], nan_ok=True)


def test_a_class_with_less_than_a_quarter_of_an_even_share_is_underrepresented_the_rarest_first() -> None:
    assert underrepresented(np.array([250, 24, 3, 123])).tolist() == [2, 1]
    assert underrepresented(np.array([251, 25, 24, 100])).tolist() == [2]  # an even share is 100
    assert underrepresented(np.array([25, 25, 25, 25])).tolist() == []
    assert underrepresented(np.zeros(4, np.int64)).tolist() == []
