"""A draw that stands for all."""

from __future__ import annotations

import numpy as np

from engine.analysis.stratified import stratified


def test_few_points_are_all_drawn() -> None:
    assert stratified(np.array([5, 9, 2]), np.zeros(3, int), np.zeros(3, bool), 3).tolist() == [0, 1, 2]


def test_each_stratum_gives_its_share_and_what_comes_first_is_all_there() -> None:
    ids, strata = np.arange(1000), np.repeat([0, 1, 2], [600, 300, 100])
    first = ids % 100 == 7  # ten
    drawn = stratified(ids, strata, first, 110)
    assert len(drawn) == 110
    assert first[drawn].sum() == 10
    others = drawn[~first[drawn]]
    assert np.abs(np.bincount(strata[others]) - [60, 30, 10]).max() <= 1


def test_more_first_ones_than_the_limit_give_their_shares_too() -> None:
    ids, strata = np.arange(1000), np.arange(1000) % 4
    assert np.bincount(strata[stratified(ids, strata, np.ones(1000, bool), 40)]).tolist() == [10, 10, 10, 10]


def test_a_smaller_draw_is_part_of_a_larger_one_in_any_order() -> None:
    rng = np.random.default_rng(0)
    ids, strata = rng.permutation(5000)[:2000].astype(np.int64), rng.integers(0, 7, 2000)
    small, large = (ids[stratified(ids, strata, np.zeros(2000, bool), limit)] for limit in (100, 300))
    assert set(small) <= set(large)
    order = rng.permutation(2000)
    assert set(ids[order][stratified(ids[order], strata[order], np.zeros(2000, bool), 100)]) == set(small)


def test_chance_is_not_the_order_of_ids() -> None:
    drawn = stratified(np.arange(10_000), np.zeros(10_000, int), np.zeros(10_000, bool), 1000)
    assert 4700 < drawn.mean() < 5300
    assert np.abs(np.histogram(drawn, 10, (0, 10_000))[0] - 100).max() < 40
