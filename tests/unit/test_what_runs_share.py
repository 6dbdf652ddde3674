"""Which runs count as one, as equally dear, as a fair comparison; and by how much two numbers differ."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.config.run_config import RunConfig
from engine.metrics import Metric
from engine.presets import PRESETS
from engine.runs.folder import RunFolder, Status
from engine.runs.store import Run
from ui.compare.benchmark_form import config_of_entry
from ui.runs.metrics import difference_from
from ui.runs.repeated_runs import grouped
from ui.train.time_estimate import cost_key


def digits(changes: dict[str, Any] | None = None) -> RunConfig:
    return RunConfig.parse({"method": {"name": "fixmatch"}, "data": {"name": "digits"}}).with_changes(changes or {})


def ids_of_groups(tmp_path: Path, *configs: RunConfig) -> list[list[str]]:
    runs = [
        Run(RunFolder(tmp_path / str(number)), config.model_dump(mode="json"), Status("finished"))
        for number, config in enumerate(configs)
    ]
    return [[run.id for run in group] for group in grouped(runs)]


def test_seeds_and_draws_of_labels_stand_together_and_the_same_draw_counts_once(tmp_path: Path) -> None:
    runs = [
        digits({"seed": 1, "data.split_seed": 1}),
        digits({"seed": 1, "data.split_seed": 2}),
        digits({"seed": 2, "data.split_seed": 2}),
        digits({"seed": 1, "data.split_seed": 1, "name": "again"}),
        digits({"seed": 1, "data.split_seed": 1, "method.threshold": 0.5}),
    ]
    assert ids_of_groups(tmp_path, *runs) == [["3", "1", "2"], ["4"]]


@pytest.mark.parametrize(
    "changes",
    [
        {"method.unlabeled_ratio": 7},
        {"method.distribution_alignment": True},
        {"budget.batch_size": 64},
        {"backbone.width": 32},
        {"data.labels.per_class": 4},
        {"augment.strong.cutout": 0.1},
        {"optimizer.name": "adam"},
        {"hardware.threads": 1},
    ],
    ids=str,
)
def test_what_changes_the_cost_of_a_step_is_measured_again(changes: dict[str, Any]) -> None:
    assert cost_key(digits(changes).model_dump(mode="json")) != cost_key(digits().model_dump(mode="json"))


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "mine"},
        {"seed": 0, "budget.steps": 7000},
        {"budget.evaluate_every": 500},
        {"method.threshold": 0.5},
        {"method.unlabeled_weight": 3.0},
        {"optimizer.lr": 0.01},
    ],
    ids=str,
)
def test_what_leaves_the_cost_of_a_step_alone_is_not_measured_again(changes: dict[str, Any]) -> None:
    assert cost_key(digits(changes).model_dump(mode="json")) == cost_key(digits().model_dump(mode="json"))


@pytest.mark.parametrize(("of", "baseline"), [("digits", "supervised"), ("noise", "supervised")])
def test_a_baseline_differs_from_what_it_is_held_against_in_the_method_alone(of: str, baseline: str) -> None:
    """The same network, images, labels, steps and optimizer."""
    one, other = (
        RunConfig.parse(PRESETS[f"{of}-{name}"].config).model_dump(mode="json") for name in ("fixmatch", baseline)
    )
    assert other["method"] == {"name": baseline}
    for part in ("data", "backbone", "budget", "optimizer", "seed", "hardware"):
        assert one[part] == other[part], part
    assert one["augment"]["weak"] == other["augment"]["weak"]


@pytest.mark.parametrize(
    ("unit", "difference", "text"),
    [
        ("share", 0.131, "+13.1 points"),
        ("share", -0.131, "-13.1 points"),
        ("share", 0.0004, "±0.0 points"),
        ("share", -0.0004, "±0.0 points"),
        ("share", 0.1004, "+10.0 points"),
        ("nats", 0.5, "+0.500"),
        ("nats", -0.5, "-0.500"),
        ("nats", 0.0, "±0"),
        ("nats", -0.0000001, "±0"),
    ],
)
def test_a_difference_has_its_sign_in_every_unit_and_none_where_nothing_is_seen_of_it(
    unit: Any, difference: float, text: str
) -> None:
    metric = Metric("loss/labeled", "Loss", "One sentence.", unit=unit)
    assert difference_from(metric, 0.25 + difference, 0.25) == text


def test_each_seed_of_a_benchmark_draws_labels_of_its_own_and_the_first_those_of_the_base() -> None:
    base = RunConfig.parse({"seed": 3, "data": {"split_seed": 7}}).model_dump(mode="json")
    entries = [RunConfig.parse(config_of_entry(base, "fixmatch", 4, seed)) for seed in range(3)]
    assert [entry.seed for entry in entries] == [3, 4, 5]
    assert [entry.data.split_seed for entry in entries] == [7, 4, 5]
