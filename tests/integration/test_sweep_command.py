"""`python -m engine sweep`: what it does, answers and refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.runs.store import Store
from engine.tuning.sweep_folder import SweepStore
from tests.integration.command_line import engine

pytestmark = pytest.mark.slow  # a sweep of three trials

SMALL = (
    *("--set", "budget.steps=12", "--set", "budget.evaluate_every=4", "--set", "budget.batch_size=8"),
    *("--set", "hardware.threads=1", "--set", "backbone.width=4"),
)
ASKED = ("sweep", "--preset", "digits-supervised", *SMALL, "--vary", "optimizer.lr=0.01:0.3:log", "--label-draws", "1")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("command") / "checkpoints"


@pytest.fixture(scope="module")
def answer(root: Path) -> dict[str, Any]:
    return last(*ASKED, "--trials", "3", "--name", "mine", "--checkpoints", root)


def last(*arguments: str | Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(engine(*arguments, "--json").stdout.splitlines()[-1])
    return found


def test_it_answers_with_the_best_trials_and_their_runs(root: Path, answer: dict[str, Any]) -> None:
    assert (answer["sweep"], answer["state"]) == ("mine", "finished")
    assert answer["trials"] == {"finished": 3, "pruned": 0, "failed": 0, "running": 0}
    accuracies = [best["validation/accuracy"] for best in answer["best"]]
    assert accuracies == sorted(accuracies, reverse=True)
    for best in answer["best"]:
        (run_id,) = best["runs"]
        run = Store(root).run(run_id)
        assert run.config["optimizer"]["lr"] == best["settings"]["optimizer.lr"]
        assert run.config["budget"] == {"steps": 12, "batch_size": 8, "evaluate_every": 4}
        assert run.status.metrics["validation/accuracy"] == best["validation/accuracy"]


@pytest.mark.usefixtures("answer")
def test_the_same_line_again_trains_nothing_more_and_a_larger_budget_goes_on(root: Path) -> None:
    same = last(*ASKED, "--trials", "3", "--name", "mine", "--checkpoints", root)
    assert len(Store(root).runs()) == 3
    assert same["trials"]["finished"] == 3
    more = last("sweep", "--name", "mine", "--trials", "4", "--checkpoints", root)
    assert more["trials"]["finished"] == 4
    assert len(Store(root).runs()) == 4


def test_a_budget_in_minutes_ends_a_sweep_after_the_trial_that_uses_it_up(root: Path) -> None:
    budget = ("--trials", "40", "--minutes", "0.0001")
    answer = last(*ASKED, *budget, "--name", "short", "--checkpoints", root.parent / "another")
    assert (answer["state"], answer["trials"]["finished"]) == ("finished", 1)


@pytest.mark.usefixtures("answer")
def test_new_seeds_answer_with_means_spreads_and_a_sentence(root: Path) -> None:
    sweep = SweepStore(root).open("mine")
    others = tuple(trial for trial in sweep.status().trials if trial.number > 0)
    sweep.write_status(replace(sweep.status(), trials=others))  # what is best after twelve steps is not the point here
    answer = last("sweep", "--name", "mine", "--fresh-seeds", "2", "--checkpoints", root)
    fresh = answer["fresh"]
    assert fresh["draws"] == 2
    assert 0 <= fresh["own"]["mean"] <= 1
    assert fresh["best"]["spread"] >= 0
    assert fresh["sentence"]
    printed = engine("sweep", "--name", "mine", "--fresh-seeds", "2", "--checkpoints", root).stdout
    assert fresh["sentence"] in printed
    assert f"test accuracy on 2 new draws, settings of trial {fresh['trial']}: " in printed


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--preset", "digits-supervised"), "Nothing varies: name at least one setting, such as --vary"),
        (
            ("--preset", "digits-supervised", "--vary", "optimizer.rate"),
            "There is no setting to vary named 'optimizer.rate': did you mean",
        ),
        (
            ("--preset", "digits-simclr", "--vary", "method.temperature"),
            "A sweep goes by validation accuracy, and simclr learns without labels",
        ),
        (
            ("--preset", "digits-supervised", "--set", "data.validation=0", "--vary", "optimizer.lr"),
            "A sweep goes by validation accuracy, and no labeled image is held out for it: set data.validation above 0",
        ),
        (
            ("--preset", "digits-supervised", "--vary", "optimizer.lr", "--trials", "0"),
            "A sweep has 1 to 10,000 trials",
        ),
        (
            ("--preset", "digits-supervised", "--vary", "optimizer.lr", "--name", "A B"),
            "A sweep cannot be named 'A B': use small letters",
        ),
        (("--preset", "digits-supervised", "--run", "x", "--vary", "optimizer.lr"), "Give a run, a preset or a config"),
        (("--fresh-seeds", "5"), "Say which sweep's best settings to test: give its --name."),
        (("--name", "none", "--fresh-seeds", "5"), "There is no sweep named 'none'"),
        (
            ("--preset", "digits-supervised", "--vary", "optimizer.lr=0.01:0.2", "--name", "mine"),
            "The sweep mine was begun with other settings: leave that out to go on with it",
        ),
        (("--name", "mine", "--seed", "3"), "The sweep mine was begun with another seed"),
    ],
)
@pytest.mark.usefixtures("answer")
def test_what_cannot_be_asked_for_is_one_sentence_and_no_sweep(
    arguments: tuple[str, ...], sentence: str, root: Path
) -> None:
    before = [sweep.name for sweep in SweepStore(root).sweeps()], len(Store(root).runs())
    refused = engine("sweep", *arguments, "--checkpoints", root, code=2)
    assert refused.stderr.startswith(sentence)
    assert len(refused.stderr.splitlines()) == 1
    assert ([sweep.name for sweep in SweepStore(root).sweeps()], len(Store(root).runs())) == before
