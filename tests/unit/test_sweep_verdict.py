"""What is said of the best settings on new draws of labels, against numpy."""

from __future__ import annotations

import numpy as np
import pytest

from engine.tuning.sweep_folder import DrawResult, FreshResult
from engine.tuning.verdict import judged, verdict


@pytest.mark.parametrize(
    ("best", "own", "words"),
    [
        (
            [0.95, 0.96, 0.97],
            [0.90, 0.91, 0.92],
            "The gain of 5.0 points is larger than the spread between draws of labels (1.0 points); on 3 of 3 draws of"
            " labels they are the more accurate ones.",
        ),
        (
            [0.80, 0.90, 0.97],
            [0.80, 0.88, 0.93],
            "The gain of 2.0 points is smaller than the spread between draws of labels (8.5 points), so it may be"
            " chance; on 2 of 3 draws of labels they are the more accurate ones.",
        ),
        (
            [0.80, 0.90],
            [0.81, 0.90],
            "The best settings gain nothing on new draws of labels (-0.5 points): what they had on the validation"
            " images was chance, so keep the settings that the sweep began with.",
        ),
        ([0.9], [0.8], "One draw of labels says nothing about a gain: test on at least three."),
    ],
)
def test_the_sentence_weighs_the_gain_against_the_spread_between_draws(
    best: list[float], own: list[float], words: str
) -> None:
    result = judged(best, own)
    assert result.sentence == words
    assert result.best == pytest.approx(np.mean(best))
    assert result.own == pytest.approx(np.mean(own))
    assert result.gain == pytest.approx(np.mean(best) - np.mean(own))
    if len(best) > 1:
        assert result.best_spread == pytest.approx(np.std(best, ddof=1))
        assert result.own_spread == pytest.approx(np.std(own, ddof=1))


def test_only_draws_that_both_were_trained_on_count() -> None:
    best = (DrawResult(1500, "a", 0.9), DrawResult(1501, "b", None), DrawResult(1502, "c", 0.7))
    own = (DrawResult(1502, "d", 0.6), DrawResult(1500, "e", 0.7))
    result = verdict(FreshResult(3, best, own))
    assert result is not None
    assert (result.draws, result.won) == (2, 2)
    assert result.best == pytest.approx(0.8)
    assert result.own == pytest.approx(0.65)
    assert verdict(FreshResult(3, best[1:2], own)) is None
