"""RowSampler: passes without repetition, and a batch that follows from the step alone."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.data.row_sampler import RowSampler

SIZES = st.integers(1, 60)


@given(SIZES, SIZES, st.integers(0, 5))
def test_within_a_pass_no_row_comes_twice_and_the_remainder_is_dropped(size: int, batch: int, number: int) -> None:
    sampler = RowSampler(size, batch, 7, "labeled")
    steps = max(1, size // batch)
    assert sampler.steps_per_pass == steps
    seen = [row for step in range(number * steps, (number + 1) * steps) for row in sampler.rows(step).tolist()]
    assert len(seen) == steps * batch
    assert set(seen) <= set(range(size))
    if size >= batch:
        assert len(set(seen)) == len(seen)


@given(SIZES, SIZES)
def test_a_pool_smaller_than_the_batch_is_repeated_equally_up_to_one(size: int, batch: int) -> None:
    if size >= batch:
        size, batch = batch, size + 1
    counts = Counter(RowSampler(size, batch, 0, "x").rows(0).tolist())
    assert len(counts) == size
    assert max(counts.values()) - min(counts.values()) <= 1


@given(SIZES, SIZES, st.lists(st.integers(0, 200), min_size=1, max_size=12))
def test_a_batch_follows_from_the_step_alone_whatever_was_asked_before(size: int, batch: int, steps: list[int]) -> None:
    sampler = RowSampler(size, batch, 3, "unlabeled")
    asked = {step: sampler.rows(step).tolist() for step in steps}
    for step in steps:
        assert RowSampler(size, batch, 3, "unlabeled").rows(step).tolist() == asked[step]


@pytest.mark.parametrize(("seed", "name"), [(1, "labeled"), (0, "unlabeled")])
def test_another_seed_and_another_stream_have_another_order(seed: int, name: str) -> None:
    ours = RowSampler(50, 10, 0, "labeled")
    theirs = RowSampler(50, 10, seed, name)
    assert [ours.rows(step).tolist() for step in range(5)] != [theirs.rows(step).tolist() for step in range(5)]


def test_every_pass_has_an_order_of_its_own_and_passes_over_time_miss_no_row() -> None:
    sampler = RowSampler(10, 4, 0, "x")  # two batches a pass, two rows left out each time
    passes = [
        tuple(row for step in (2 * number, 2 * number + 1) for row in sampler.rows(step).tolist())
        for number in range(40)
    ]
    assert len(set(passes)) == 40
    counts = Counter(row for rows in passes for row in rows)
    assert set(counts) == set(range(10))
    assert all(20 <= count <= 40 for count in counts.values())  # 32 on average
