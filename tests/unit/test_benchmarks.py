"""What the benchmarks train is what docs/RESULTS.md says of it."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import partial_label, scale
from benchmarks.methods import Trial, config_of
from benchmarks.ranks import each_seed, mean_and_interval


def test_every_seed_draws_labels_of_its_own_and_the_budget_is_the_one_that_was_asked_for() -> None:
    configs = [config_of(Trial("digits-fixmatch", 4, seed)) for seed in (0, 3)]
    assert [config.data.split_seed for config in configs] == [0, 3]
    assert [config.seed for config in configs] == [0, 3]
    assert all(config.data.labels.model_dump()["per_class"] == 4 for config in configs)


@pytest.mark.parametrize("more", [{}, {"data.name": "fashion_mnist"}], ids=["digits", "other images"])
def test_each_method_gets_the_candidate_labels_whatever_the_images_are(more: dict[str, str]) -> None:
    config = partial_label.config_of("rc", {"kind": "partial", "rate": 0.7}, 1, more)
    assert config.data.labels.model_dump()["kind"] == "partial"
    assert config.data.labels.model_dump()["rate"] == 0.7
    assert partial_label.config_of("supervised", {"kind": "all"}, 1, more).data.labels.kind == "all"


def test_ranks_are_read_from_the_table_of_each_seed() -> None:
    table = (
        "| method | accuracy | each |\n| --- | --- | --- |\n| A | 1.0 ± 0.1 % | 90.0 91.5 |\n| B | - | 80.0 81.0 |\n\nx"
    )
    assert each_seed(table, "| method |", 2) == {"A": [90.0, 91.5], "B": [80.0, 81.0]}
    # By hand: mean 3, standard deviation 1.5811, and t(0.975, 4) = 2.7764.
    mean, half = mean_and_interval(np.array([1.0, 2.0, 3.0, 4.0, 5.0]))
    assert mean == 3
    assert half == pytest.approx(2.7764 * 1.5811 / 5**0.5, rel=1e-4)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what memory is a process's own")
def test_every_step_of_a_large_set_is_timed_and_its_memory_seen(tmp_path: Path) -> None:
    groups = scale.made_up(tmp_path / "features.npy", 6_000, 24)
    assert set(groups.tolist()) == set(range(scale.CLASSES))
    steps = list(scale.measure(tmp_path / "features.npy", groups))
    assert len({step.name for step in steps}) == len(steps) == 11
    assert all(step.seconds > 0 and step.memory > 10 for step in steps)
