"""Experiments: what their runs differ in, and how a run is known as one of them."""

from __future__ import annotations

import itertools

import pytest

from engine.config.overlay import apply_changes
from engine.config.run_config import RunConfig
from engine.presets import PRESETS
from engine.presets.experiments import EXPERIMENTS, Experiment, experiment_of, run_name

NAMES = [run_name(experiment, variation) for experiment in EXPERIMENTS.values() for variation in experiment.variations]


def test_no_two_runs_of_experiments_have_one_name() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert all(len(name) <= 100 for name in NAMES)


@pytest.mark.parametrize("experiment", EXPERIMENTS.values(), ids=EXPERIMENTS)
def test_each_run_is_a_whole_request_and_no_two_are_the_same(experiment: Experiment) -> None:
    configs = [
        RunConfig.parse(apply_changes(PRESETS[variation.preset].config, variation.changes))
        for variation in experiment.variations
    ]
    assert configs
    for one, other in itertools.combinations(configs, 2):
        assert one != other
    for variation, config in zip(experiment.variations, configs, strict=True):
        assert config.with_changes(variation.changes) == config  # each key is one of its settings


@pytest.mark.parametrize("experiment", EXPERIMENTS.values(), ids=EXPERIMENTS)
def test_runs_are_known_as_an_experiments_by_their_names_and_only_among_themselves(experiment: Experiment) -> None:
    own = [run_name(experiment, variation) for variation in experiment.variations]
    assert experiment_of(own) is experiment
    assert experiment_of(own[:1]) is experiment
    assert experiment_of([*own, "another run"]) is None
    assert experiment_of([]) is None
