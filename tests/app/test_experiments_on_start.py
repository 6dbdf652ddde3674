"""Experiments on Start: one click queues their runs, and Compare says what to look at."""

from __future__ import annotations

from engine.lab.lab import Lab
from engine.presets.experiments import EXPERIMENTS, run_name
from tests.app.app_helpers import Open, words


def test_one_click_queues_the_runs_and_compare_says_where_to_look(lab: Lab, open_page: Open) -> None:
    app = open_page("start")
    app.session_state["start_experiments"] = True
    app.run()
    assert not app.exception
    app.button(key="start_experiment_nt-xent").click().run()
    experiment = EXPERIMENTS["nt-xent"]
    runs = {run.name: run for run in lab.store.runs()}
    assert set(runs) == {run_name(experiment, variation) for variation in experiment.variations}
    try:
        losses = {run.config["method"].get("loss", "nt_xent") for run in runs.values()}
        assert losses == {"nt_xent", "swapped_masks"}
        compare = open_page("compare", runs=[run.id for run in runs.values()])
        assert experiment.look in words(compare)
        alone = open_page("compare", runs=[next(iter(runs.values())).id])
        assert experiment.look in words(alone)
    finally:
        for run in runs.values():
            lab.command(run.id, "stop")
