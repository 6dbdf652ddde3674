"""Train draws a run that has just begun with its first point, and waits for no other."""

from __future__ import annotations

from datetime import timedelta

import pytest

from engine.lab.lab import Lab
from tests.waiting import PATIENCE, until
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


def test_a_run_that_waits_behind_another_is_shown_as_it_is(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    first = lab.submit(LONG)
    second = lab.submit(LONG)
    try:
        queued = lab.store.run(second.id)
        monkeypatch.setattr(progress_view, "_JUST_BEGUN", timedelta(0))
        assert progress_view.after_first_step(queued) is queued
        monkeypatch.setattr(progress_view, "_JUST_BEGUN", timedelta(days=1))
        monkeypatch.setattr(progress_view, "_A_MOMENT", 0.0)
        assert progress_view.after_first_step(queued) is queued
    finally:
        for folder in (second, first):
            lab.command(folder.id, "stop")
        until(lambda: not first.status().active and not second.status().active, "the stops")
