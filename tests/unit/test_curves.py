"""Downsampling keeps what a person looks at a curve for: its ends, its jumps, and its points where they were."""

from __future__ import annotations

import numpy as np
import pytest

from engine.analysis.curves import downsample


def test_a_short_curve_is_returned_whole() -> None:
    x, y = downsample([0, 10, 20], [3.0, 1.0, 2.0], limit=4)
    assert x.tolist() == [0, 10, 20]
    assert y.tolist() == [3, 1, 2]


def test_the_lowest_and_highest_of_every_bucket_are_kept() -> None:
    y = [5, 1, 9, 5, 5, 5, 7, 2, 4, 4, 4, 4]  # limit 8: buckets of four
    x, kept = downsample(range(12), y, limit=8)
    assert x.tolist() == [0, 1, 2, 6, 7, 8, 11]
    assert kept.tolist() == [5, 1, 9, 7, 2, 4, 4]


@pytest.mark.parametrize("count", [2001, 2048, 5000, 99_999, 1_000_000])
def test_the_limit_holds_and_the_ends_and_extremes_survive(count: int) -> None:
    y = np.random.default_rng(count).normal(size=count)
    y[count // 3], y[count // 2] = 100, -100
    x, kept = downsample(np.arange(count), y)
    assert 1000 <= len(x) <= 2000
    assert x[0] == 0
    assert x[-1] == count - 1
    assert kept.max() == 100
    assert kept.min() == -100
    assert (np.diff(x) > 0).all()
    assert (kept == y[x.astype(int)]).all()


def test_points_already_drawn_stay_while_the_curve_grows() -> None:
    y = np.random.default_rng(0).normal(size=3600)
    before, _ = downsample(np.arange(3500), y[:3500], limit=2000)
    after, _ = downsample(np.arange(3600), y, limit=2000)
    assert set(before[before < 3488]) <= set(after)  # all but the last, unfinished bucket


def test_a_gap_hides_no_extreme_and_a_bucket_of_gaps_stays_a_gap() -> None:
    y = np.ones(64)
    y[:32] = np.nan
    y[5] = 8
    x, kept = downsample(np.arange(64), y, limit=20)
    assert 5 in x
    assert np.nanmax(kept) == 8
    assert np.isnan(kept[(x >= 16) & (x < 32)]).all()


def test_unequal_lengths_and_a_tiny_limit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"have the shapes \[3\] and \[2\]"):
        downsample([1, 2, 3], [1, 2])
    with pytest.raises(ValueError, match="limit must be at least 4, but is 3"):
        downsample([1], [1], limit=3)
