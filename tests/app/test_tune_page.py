"""The Tune page: ranges that are proposed and refused, a sweep as it stands, what is said of its gain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace

import pytest

from engine.catalog import catalog
from engine.lab.lab import Lab
from engine.runs.atomic_write import write_json
from engine.runs.folder import Status
from engine.tuning.dimension import Dimension
from engine.tuning.sweep_folder import DrawResult, FreshPlan, FreshResult, SweepFolder, SweepStatus, SweepStore, Trial
from engine.tuning.sweep_plan import SweepPlan
from tests.app.app_helpers import Open, put_beside, run_rows, words
from tests.app.known_runs import figure
from ui.shell.server import sweeps

pytestmark = pytest.mark.slow  # several seconds each

THRESHOLD, LR = Dimension("method.threshold", 0.5, 0.99), Dimension("optimizer.lr", 0.01, 1.0, log=True)


def trial(number: int, state: str, accuracy: float | None, threshold: float, lr: float) -> Trial:
    draws = (DrawResult(1000, f"20260701-12000{number}-fixmatch-digits-aaaa", accuracy),)
    return Trial(number, state, {"method.threshold": threshold, "optimizer.lr": lr}, accuracy, draws, seconds=30.0)  # type: ignore[arg-type]


TRIALS = (
    trial(0, "finished", 0.90, 0.9, 0.1),
    trial(1, "finished", 0.95, 0.8, 0.03),
    trial(2, "pruned", 0.40, 0.6, 0.9),
    trial(3, "failed", None, 0.7, 1.0),
    trial(4, "finished", 0.93, 0.85, 0.05),
)


@pytest.fixture
def sweep(lab: Lab) -> Iterator[SweepFolder]:
    """A sweep that is done, whose runs are gone."""
    config = catalog()["presets"]["digits-fixmatch"]["config"]
    made = SweepStore(lab.store.root).create(
        SweepPlan("mine", config, "digits-fixmatch", (THRESHOLD, LR), trials=5, label_draws=1, created=1.0)
    )
    made.want("rest")
    made.write_status(SweepStatus("finished", "All 5 trials are done.", seconds=150.0, trials=TRIALS))
    yield made
    for file in (*made.path.glob("*"), made.path / ".lock"):
        file.unlink(missing_ok=True)
    made.path.rmdir()


def test_ranges_are_proposed_and_a_wrong_one_is_one_sentence_and_no_start(open_page: Open) -> None:
    app = open_page("tune")
    typed = {field.label: field.value for field in app.text_input}
    assert typed == {"Threshold τ": "0.5:0.99", "Learning rate η": "0.01:1:log", "Unlabeled weight λ": "0.1:10:log"}
    assert not app.button(key="tune_start").disabled
    assert "At most 80 runs, those of poor trials stopped early; one run takes about 15 s." in words(app)
    app.text_input(key="tune_range_digits-fixmatch_method.threshold").set_value("0.5:1.5").run()
    assert not app.exception
    (error,) = app.error
    assert error.value.replace("\\", "") == (
        "method.threshold=0.5:1.5 holds 1.5, but method.threshold must be at most 1."
    )
    assert app.button(key="tune_start").disabled
    app.multiselect(key="tune_keys_digits-fixmatch").set_value([]).run()
    assert "Choose at least one setting." in words(app)
    assert app.button(key="tune_start").disabled


def test_a_preset_that_learns_without_labels_is_not_offered_and_another_one_brings_its_own_settings(
    open_page: Open,
) -> None:
    app = open_page("tune")
    source = app.selectbox(key="tune_source_digits-fixmatch")
    presets = catalog()["presets"]
    learning = [name for name, one in presets.items() if one["config"]["data"]["labels"]["kind"] != "none"]
    assert source.options == [presets[name]["title"] for name in learning]
    source.select("digits-label-spreading").run()
    assert not app.exception
    keys = app.multiselect(key="tune_keys_digits-label-spreading").options
    assert "Learning rate η" not in keys


def test_a_sweep_that_cannot_be_read_hides_no_run_and_trials_do_not_stand_among_those_to_continue(
    sweep: SweepFolder, lab: Lab, open_page: Open
) -> None:
    config = catalog()["presets"]["digits-fixmatch"]["config"]
    folders = [
        put_beside(lab, {**config, "name": name}, Status("finished", 10, 10, metrics={"test/accuracy": 0.5}))
        for name in ("alone", "of the sweep")
    ]
    try:
        tried = replace(TRIALS[0], draws=(DrawResult(1000, folders[1].id, 0.9),))
        sweep.write_status(SweepStatus("finished", trials=(tried,)))
        said = words(open_page("start"))
        assert "**alone**" in said
        assert "**of the sweep**" not in said
        (sweep.path / "status.json").write_text('{"state": 7}')
        for page in ("start", "runs"):
            app = open_page(page)
            assert not app.exception
            assert not app.error
        assert "alone" in words(open_page("start"))
    finally:
        for folder in folders:
            lab.store.delete(folder.id)


def test_a_sweep_is_shown_as_it_stands(sweep: SweepFolder, open_page: Open) -> None:
    app = open_page("tune", sweep="mine")
    said = words(app)
    drawn = figure(app, "tune_parallel")
    threshold, rate, accuracy = drawn["data"][0]["dimensions"]
    # The failed trial has no accuracy, and the learning rate is searched by its factors.
    assert accuracy["values"] == [0.90, 0.95, 0.40, 0.93]
    assert threshold["values"] == [0.9, 0.8, 0.6, 0.85]
    assert rate["values"] == pytest.approx([-1.0, -1.5228787, -0.0457575, -1.3010300])
    assert "**95.0 %** · trial 1" in said
    assert "**90.0 %** · trial 0 · the settings it began with" in said
    assert "threshold τ 0.800; learning rate η 0.0300" in said.replace("\\.", ".")
    assert said.index("trial 1") < said.index("trial 4") < said.index("trial 0 ·")
    assert "What mattered is told from 8 finished trials on; 3 so far." in said
    assert not app.button(key="tune_fresh").disabled
    (bar,) = app.get("progress")
    assert bar.proto.text == "5 of 5 trials · 1 pruned · 1 failed · 2 min 30 s trained"


@pytest.mark.parametrize(("minutes", "after"), [(0.0, 0.0), (20.0, 48.0)])
def test_a_sweep_that_is_over_searches_further_with_a_larger_budget(
    sweep: SweepFolder, open_page: Open, minutes: float, after: float
) -> None:
    """Also where its last task was the test on new draws. The minutes grow with the trials."""
    sweep.write_plan(replace(sweep.plan(), minutes=minutes))
    sweep.want("rest", "fresh")
    app = open_page("tune", sweep="mine")
    with sweep.lock():  # so that nobody drives it meanwhile
        app.number_input(key="tune_more_trials").set_value(7).run()
        app.button(key="tune_go_further").click().run()
        assert not app.exception
        assert not app.error
        assert (sweep.plan().trials, sweep.plan().minutes) == (12, after)
        assert sweep.wanted() == ("search", "run")
        sweep.want("rest")


def test_the_sentence_is_honest_about_a_gain_within_the_spread(sweep: SweepFolder, open_page: Open) -> None:
    seeds = (1500, 1501, 1502)
    results = {
        "best": tuple(DrawResult(seed, "r", value) for seed, value in zip(seeds, (0.80, 0.90, 0.97), strict=True)),
        "own": tuple(DrawResult(seed, "r", value) for seed, value in zip(seeds, (0.80, 0.88, 0.93), strict=True)),
    }
    write_json(sweep.path / "fresh.json", asdict(FreshPlan(1, TRIALS[1].values, seeds)))
    sweep.write_status(replace(sweep.status(), fresh=FreshResult(1, **results)))
    app = open_page("tune", sweep="mine")
    said = words(app).replace("\\", "")
    assert "Best settings (trial 1): **89.0 ± 8.5 %**" in said
    assert "Settings it began with: **87.0 ± 6.6 %**" in said
    assert "The gain of 2.0 points is smaller than the spread between draws of labels (8.5 points)" in said
    assert not app.success


def test_without_a_better_trial_nothing_is_tested(sweep: SweepFolder, open_page: Open) -> None:
    sweep.write_status(replace(sweep.status(), trials=(replace(TRIALS[0], accuracy=0.99), *TRIALS[1:])))
    app = open_page("tune", sweep="mine")
    assert app.button(key="tune_fresh").disabled
    assert "No trial is better than the settings that the sweep began with, so there is nothing to test." in words(app)


def test_the_best_settings_go_into_the_form_of_train(sweep: SweepFolder, open_page: Open) -> None:
    app = open_page("tune", sweep="mine")
    app.button(key="tune_use_1").click().run()
    assert not app.exception
    config = app.session_state["train_config"]
    assert (config["method"]["threshold"], config["optimizer"]["lr"]) == (0.8, 0.03)
    assert (config["seed"], config["data"]["split_seed"]) == (0, None)


def test_the_runs_of_a_sweep_stand_together_in_the_list_of_runs(lab: Lab, sweep: SweepFolder, open_page: Open) -> None:
    config = sweep.plan().run_config("mine, trial 1", TRIALS[1].values, 1000)
    folder = put_beside(lab, config, Status("finished", 20, 20, 30.0, metrics={"test/accuracy": 0.9}))
    own = put_beside(lab, {**config, "name": "my own"}, Status("finished", 20, 20, 30.0))
    trials = (replace(TRIALS[1], draws=(DrawResult(1000, folder.id, 0.95),)), TRIALS[0])
    sweep.write_status(replace(sweep.status(), trials=trials))
    app = open_page("runs")
    (group,) = [one for one in app.expander if one.label.startswith("Sweep")]
    assert group.label == "Sweep mine · 1 run · best validation accuracy 95.0 %"
    names = {row["run"] for row in run_rows(app)}
    assert "my own" in names
    assert "mine, trial 1" not in names
    app.session_state["runs_sweep_mine"] = True
    app.run()
    assert not app.exception
    assert "mine, trial 1" in {row["run"] for row in run_rows(app)}
    app.session_state["runs_sweep_mine"] = False
    app.text_input(key="runs_search").set_value("trial").run()
    assert [row["run"] for row in run_rows(app)] == ["mine, trial 1"]  # who searches finds it
    lab.delete(folder.id)
    lab.delete(own.id)


def test_started_it_waits_for_its_first_run_and_can_be_paused(lab: Lab, open_page: Open) -> None:
    app = open_page("tune")
    app.number_input(key="tune_trials").set_value(3).run()
    app.button(key="tune_start").click().run()
    assert not app.exception
    assert not app.error
    (made,) = SweepStore(lab.store.root).sweeps()
    assert made.name == "digits-fixmatch"
    assert made.plan().trials == 3
    assert [one.key for one in made.plan().dimensions] == [
        "method.threshold",
        "optimizer.lr",
        "method.unlabeled_weight",
    ]
    assert app.query_params["sweep"] in ("digits-fixmatch", ["digits-fixmatch"])
    app.button(key="tune_pause").click().run()
    assert made.wanted().action == "pause"
    # A second tab sees the same.
    other = open_page("tune")
    assert other.selectbox(key="tune_sweep_digits-fixmatch").value == "digits-fixmatch"
    sweeps().close()
