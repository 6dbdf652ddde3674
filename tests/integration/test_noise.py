"""The honesty check: on random images with random labels nobody beats chance on the test part.

2,000 test images of ten equally frequent classes, whose labels no method can know: the number of right answers is
close to binomial with p = 0.1, a standard deviation of sqrt(0.1 * 0.9 / 2000) = 0.67 points. Four of them, 7.3 % to
12.7 %, hold an honest method in all but one of 16,000 draws of labels, and the draw here is always the same; a leak of
test labels would show up far outside.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.config.run_config import RunConfig
from engine.lab.executors.inline import train
from engine.runs.store import Run

FOUR_DEVIATIONS = 4 * math.sqrt(0.1 * 0.9 / 2000)
SETTINGS: dict[str, Any] = {
    "data": {"name": "noise", "labels": {"kind": "few", "per_class": 2}},
    "backbone": {"name": "small_cnn", "width": 8},
    "augment": {"weak": {"translate": 0, "flip": "off"}},
    "budget": {"steps": 80, "batch_size": 16, "evaluate_every": 40},
}
# A threshold that guesses about noise do reach: at 0.95 the unlabeled images would not be used at all.
METHODS: list[dict[str, Any]] = [
    {"name": "supervised"},
    *({"name": name, "threshold": 0.4, "unlabeled_ratio": 2} for name in ("pseudo_label", "fixmatch")),
]


@pytest.mark.parametrize("method", METHODS, ids=lambda method: str(method["name"]))
def test_no_method_beats_chance_where_nothing_can_be_learned(
    trained: Callable[..., Run], method: dict[str, Any]
) -> None:
    run = trained(**SETTINGS, method=method)
    accuracies = [row["test/accuracy"] for row in run.folder.metrics() if "test/accuracy" in row]
    assert len(accuracies) == 2
    assert all(abs(accuracy - 0.1) < FOUR_DEVIATIONS for accuracy in accuracies), accuracies
    assert run.status.metrics["test/auc_roc"] == pytest.approx(0.5, abs=0.02)
    # The labels it was given it has learned by heart, and the unlabeled images were used: an idle run would prove
    # nothing.
    last = run.folder.metrics()[-1]
    assert last["loss/labeled"] < 0.1
    assert last.get("mask_rate", 1) > 0


OTHERS: list[dict[str, Any]] = [
    {
        "method": {"name": "simclr"},
        "data": {"name": "noise", "labels": {"kind": "none"}},
        "budget": {"steps": 20, "batch_size": 64, "evaluate_every": 10},
    },
    {
        "method": {"name": "proden"},
        "data": {"name": "noise", "labels": {"kind": "partial", "rate": 0.3}},
        "budget": {"steps": 80, "batch_size": 64, "evaluate_every": 40},
    },
    {
        "method": {"name": "label_spreading"},
        "data": {"name": "noise", "labels": {"kind": "few", "per_class": 10}},
        "backbone": {"name": "pixels"},
    },
]


@pytest.mark.parametrize("settings", OTHERS, ids=lambda settings: str(settings["method"]["name"]))
def test_neither_do_the_other_families(tmp_path: Path, settings: dict[str, Any]) -> None:
    run = train(RunConfig.parse({**settings, "seed": 0, "hardware": {"device": "cpu", "threads": 1}}), tmp_path)
    found = {
        name: value
        for name, value in run.status.metrics.items()
        if name.startswith("test/") and ("accuracy" in name or "knn" in name or "linear" in name)
    }
    assert found
    assert all(abs(accuracy - 0.1) < FOUR_DEVIATIONS for accuracy in found.values()), found
