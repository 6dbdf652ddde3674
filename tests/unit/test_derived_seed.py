"""Derived chance: a seed follows from (seed, name, step) alone, on every machine, and differs wherever one of the three
does.
"""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.derived_seed import derive
from engine.methods.base.context import StepContext

SEEDS = st.integers(0, 2**31 - 1)
STEPS = st.integers(0, 10_000_000)


def test_the_numbers_are_the_same_everywhere() -> None:
    """Frozen: a change of these makes every old run impossible to repeat."""
    assert derive(0, "weights") == 1877366667104987758
    assert derive(1, "view/unlabeled/strong/0", 499) == 1940612284300840103
    assert derive(2**31 - 1, "τ", 10_000_000) == 7266003523369769340


@given(SEEDS, st.text(max_size=30), STEPS)
def test_a_derived_seed_fits_every_generator(seed: int, name: str, step: int) -> None:
    assert 0 <= derive(seed, name, step) < 2**63


@given(SEEDS, SEEDS, st.text(max_size=9), st.text(max_size=9), STEPS, STEPS)
def test_two_draws_agree_only_if_seed_name_and_step_agree(
    seed: int, other: int, name: str, label: str, step: int, place: int
) -> None:
    assert (derive(seed, name, step) == derive(other, label, place)) == ((seed, name, step) == (other, label, place))


def test_a_generator_is_made_anew_for_every_step_and_name() -> None:
    def draw(now: StepContext, name: str) -> list[int]:
        return torch.randint(0, 2**31, (4,), generator=now.rng(name)).tolist()

    assert draw(StepContext(0, 5, 10), "a") == draw(StepContext(0, 5, 10), "a")
    drawn = [
        draw(StepContext(0, 5, 10), "a"),
        draw(StepContext(1, 5, 10), "a"),
        draw(StepContext(0, 6, 10), "a"),
        draw(StepContext(0, 5, 10), "b"),
    ]
    assert len({tuple(numbers) for numbers in drawn}) == 4


def test_drawing_leaves_the_global_generator_alone() -> None:
    before = torch.default_generator.get_state()
    torch.rand(100, generator=StepContext(0, 0, 1).rng("x"))
    assert torch.equal(before, torch.default_generator.get_state())


def test_progress_is_the_share_of_the_run_that_is_done() -> None:
    assert [StepContext(0, step, 4).progress for step in range(4)] == [0, 0.25, 0.5, 0.75]
