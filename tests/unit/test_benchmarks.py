"""What the benchmarks train is what docs/RESULTS.md says of it."""

from __future__ import annotations

from benchmarks.methods import Trial, config_of


def test_every_seed_draws_labels_of_its_own_and_the_budget_is_the_one_that_was_asked_for() -> None:
    configs = [config_of(Trial("digits-fixmatch", 4, seed)) for seed in (0, 3)]
    assert [config.data.split_seed for config in configs] == [0, 3]
    assert [config.seed for config in configs] == [0, 3]
    assert all(config.data.labels.model_dump()["per_class"] == 4 for config in configs)
