"""A run that has just begun: Train draws it with its first point, waits for no other, and says nothing untrue."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from engine.catalog import catalog
from engine.lab.lab import Lab
from engine.runs.folder import Status
from tests.app.app_helpers import Open, put_beside
from tests.waiting import PATIENCE, until
from ui.runs.training_now import how_far
from ui.train import progress_view

LONG = {"data": {"name": "digits"}, "method": {"name": "supervised"}, "budget": {"steps": 100_000}}


def test_a_run_just_begun_is_shown_with_its_first_point(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_view, "_A_MOMENT", PATIENCE)
    monkeypatch.setattr(progress_view, "_JUST_BEGUN", timedelta(seconds=PATIENCE))
    folder = lab.submit(LONG)
    try:
        run = progress_view.after_first_step(lab.store.run(folder.id))
        assert run.status.step >= 1
        assert folder.metrics()[0]["step"] == 1
        assert progress_view.after_first_step(run) is run
    finally:
        lab.command(folder.id, "stop")
        until(lambda: not folder.status().active, "the stop")


def test_neither_an_older_run_nor_a_long_start_holds_the_page_up(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = lab.submit(LONG)
    try:
        begun = lab.store.run(folder.id)
        monkeypatch.setattr(progress_view, "_A_MOMENT", 0.0)
        assert progress_view.after_first_step(begun) is begun
        monkeypatch.setattr(progress_view, "_A_MOMENT", PATIENCE)
        monkeypatch.setattr(progress_view, "_JUST_BEGUN", timedelta(0))
        assert progress_view.after_first_step(begun) is begun
    finally:
        lab.command(folder.id, "stop")
        until(lambda: not folder.status().active, "the stop")


def test_a_run_that_waits_behind_another_is_shown_as_it_is(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_view, "_A_MOMENT", PATIENCE)
    monkeypatch.setattr(progress_view, "_JUST_BEGUN", timedelta(days=1))
    first = lab.submit(LONG)
    second = lab.submit(LONG)
    try:
        until(lambda: lab.current == first.id, "the first run")
        queued = lab.store.run(second.id)
        assert progress_view.after_first_step(queued) is queued
    finally:
        for folder in (second, first):
            lab.command(folder.id, "stop")
        until(lambda: not first.status().active and not second.status().active, "the stops")


def test_before_the_first_evaluation_the_axis_of_accuracy_is_one_of_shares(
    lab: Lab, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures: dict[str, Any] = {}
    monkeypatch.setattr("ui.train.metric_curves.live_figure", lambda figure, key, **_: figures.update({key: figure}))
    config = catalog()["presets"]["digits-fixmatch"]["config"]
    folder = put_beside(lab, config, Status("stopped", step=1, steps=1000))
    folder.add_metrics({"step": 1, "loss/labeled": 2.3})
    try:
        app = open_page("train", run=folder.id)
        assert not app.exception
        accuracy = figures["train_accuracy"]
        assert accuracy["data"] == []
        assert accuracy["layout"]["yaxis"]["range"] == [0, 1.02]
        assert all(stop["value"].endswith("%") for stop in accuracy["layout"]["yaxis"]["tickformatstops"])
    finally:
        lab.delete(folder.id)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (Status("running", step=1, steps=10, seconds=9.0), "starting"),
        (Status("paused", step=1, steps=10, seconds=9.0), "paused"),
        (Status("running", step=5, steps=10, seconds=20.0), "20 s left"),
        (Status("running", step=10, steps=10, seconds=20.0), "final evaluation"),
    ],
)
def test_what_the_sidebar_says_of_a_run_at_each_of_its_steps(status: Status, words: str) -> None:
    assert how_far(status) == words
