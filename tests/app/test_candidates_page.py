"""Candidates: what a run with several possible labels believed, and another rate with one click."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from engine.config.run_config import RunConfig
from engine.lab.executors.inline import train
from engine.lab.lab import Lab
from engine.runs.store import Run
from tests.app.app_helpers import Open, words
from ui.components.gallery import GalleryItem

RATE = 0.4


@pytest.fixture(scope="module")
def run(lab: Lab) -> Iterator[Run]:
    config = {
        "data": {"name": "digits", "labels": {"kind": "partial", "rate": RATE}},
        "method": {"name": "proden"},
        "budget": {"steps": 20, "batch_size": 64, "evaluate_every": 10},
        "hardware": {"device": "cpu", "threads": 1},
    }
    made = train(RunConfig.parse(config), lab.store.root)
    yield made
    lab.delete(made.id)


def shares(run: Run, step: int) -> tuple[float, int]:
    """The share of images whose heaviest candidate is true, and the number of wrong survivors, from the raw arrays."""
    arrays = run.folder.snapshot(step)
    from engine.analysis.evaluated_run import EvaluatedRun

    several = arrays["candidate_sets"].sum(1) > 1
    truth = EvaluatedRun(run).true_labels(arrays["candidate_ids"])[several]
    weights = arrays["candidate_weights"].astype(np.float64)[several]
    wrong = weights.argmax(1) != truth
    return float(1 - wrong.mean()), int((wrong & (weights.max(1) > 0.9)).sum())


def test_the_figures_are_those_of_the_chosen_evaluation(run: Run, open_page: Open) -> None:
    for step in run.folder.snapshot_steps():
        app = open_page("candidates", run=run.id, step=str(step))
        assert not app.exception
        first, survivors = shares(run, step)
        shown = {metric.label: metric.value for metric in app.metric}
        assert shown["True label ranked first"] == f"{100 * first:.1f} %"
        assert shown["Wrong survivors"] == f"{survivors}"


def test_a_number_opens_the_images_behind_it(run: Run, open_page: Open) -> None:
    step = run.folder.snapshot_steps()[-1]
    arrays = run.folder.snapshot(step)
    several = arrays["candidate_sets"].sum(1) > 1
    first, _ = shares(run, step)
    wrong = round((1 - first) * several.sum())
    for key, told in (
        ("identified", f"Another label ranked first: {wrong}"),
        ("entropy", f"Least decided first: {several.sum()}"),
    ):
        app = open_page("candidates", run=run.id, step=str(step))
        app.button(key=f"show_counted_candidates_{key}").click().run()
        assert not app.exception
        assert told in words(app).replace("*", "").replace(",", "")


def test_the_history_of_an_image_opens(run: Run, open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    clicks: list[int] = []

    def click(items: list[GalleryItem], **_: Any) -> int | None:
        return clicks.pop() if clicks else None

    monkeypatch.setattr("ui.candidates.candidate_images.gallery", click)
    app = open_page("candidates", run=run.id)
    clicks.append(0)  # the number of a set's first image, which is no reason to miss its click
    app.run()
    assert not app.exception
    assert "Image 0" in words(app).replace("*", "")
    sample = int(run.folder.snapshot(run.folder.snapshot_steps()[-1])["candidate_ids"][0])
    clicks.append(sample)
    app.run()
    assert not app.exception
    assert "The prediction" in words(app)
    assert f"Image {sample}" in words(app).replace("*", "")


def test_another_rate_starts_a_run_that_differs_in_nothing_else(run: Run, open_page: Open, lab: Lab) -> None:
    app = open_page("candidates", run=run.id)
    (rate,) = [slider for slider in app.slider if "Rate" in slider.label]
    assert rate.value == RATE
    rate.set_value(0.7).run()
    before = {known.id for known in lab.store.runs()}
    app.button(key="candidates_retrain").click().run()
    (new,) = [known for known in lab.store.runs() if known.id not in before]
    assert app.title[0].value == "Train"
    assert new.config["data"]["labels"]["rate"] == 0.7
    same = {**new.config, "data": {**new.config["data"], "labels": run.config["data"]["labels"]}, "name": ""}
    assert same == {**run.config, "name": ""}


def test_a_method_without_weights_says_so(open_page: Open, lab: Lab) -> None:
    config = {
        "data": {"name": "digits", "labels": {"kind": "partial", "rate": RATE}},
        "method": {"name": "all_candidates"},
        "budget": {"steps": 2, "batch_size": 16, "evaluate_every": 2},
        "hardware": {"device": "cpu", "threads": 1},
    }
    made = train(RunConfig.parse(config), lab.store.root)
    assert "This method weighs no candidates" in words(open_page("candidates", run=made.id))
    lab.delete(made.id)
