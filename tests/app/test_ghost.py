"""Which run stands behind the one shown on Train: only a like one, under its name, chosen or dismissed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Selectbox

from engine.catalog import catalog
from engine.lab.lab import Lab
from engine.runs.folder import RunFolder, Status
from tests.app.app_helpers import Open, put_beside

CONFIG = catalog()["presets"]["digits-fixmatch"]["config"]


@pytest.fixture
def runs(lab: Lab) -> Iterator[dict[str, RunFolder]]:
    """All but the first ended at step 10 with an accuracy of their own."""
    method, data = CONFIG["method"], CONFIG["data"]
    settings: dict[str, tuple[float, dict[str, Any]]] = {
        "shown": (0.6, {}),
        "threshold": (0.5, {"method": {**method, "threshold": 0.5}}),
        "equal": (0.6004, {"seed": 3}),
        "named": (0.7, {"seed": 4, "name": "my <b>baseline</b>"}),
        "features": (0.9, {"method": {"name": "simclr"}, "data": {**data, "labels": {"kind": "none"}}}),
        "other images": (0.1, {"data": {**data, "name": "noise"}}),
    }
    folders = {}
    for name, (accuracy, changes) in settings.items():
        folder = put_beside(lab, {**CONFIG, **changes}, Status("finished", step=10, steps=10))
        folder.add_metrics({"step": 10, "test/accuracy": accuracy})
        folders[name] = folder
    waiting = put_beside(lab, CONFIG, Status("interrupted", steps=10))  # it has nothing to show
    yield folders
    for folder in (*folders.values(), waiting):
        if folder.path.exists():
            lab.delete(folder.id)


def choice(app: AppTest) -> Selectbox[str]:
    return next(box for box in app.selectbox if box.label == "Compare with")


def choose(app: AppTest, run_id: str) -> AppTest:
    choice(app).set_value(run_id)
    app.run()
    assert not app.exception
    return app


def delta(app: AppTest) -> str:
    return next(tile.delta for tile in app.metric if tile.label == "Test accuracy")


def test_like_runs_are_offered_by_what_distinguishes_them(runs: dict[str, RunFolder], open_page: Open) -> None:
    app = open_page("train", run=runs["shown"].id)
    nothing, *offered = choice(app).options
    assert nothing == "nothing"
    assert sorted(title.split(" · ")[0] for title in offered) == ["my <b>baseline</b>", "seed 3", "τ 0.5"]
    assert choice(app).value == ""
    assert delta(app) == ""  # nothing was looked at before, and nothing is chosen


def test_a_chosen_run_stands_behind_under_its_name_until_it_is_dismissed(
    runs: dict[str, RunFolder], open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures: dict[str, Any] = {}
    monkeypatch.setattr("ui.train.metric_curves.live_figure", lambda figure, key, **_: figures.update({key: figure}))
    app = choose(open_page("train", run=runs["shown"].id), runs["threshold"].id)
    assert delta(app) == "+10.0 points"
    assert [trace["name"] for trace in figures["train_accuracy"]["data"]] == ["τ 0.5", "test"]
    choose(app, runs["named"].id)
    assert delta(app) == "-10.0 points"
    assert "my &lt;b&gt;baseline&lt;/b&gt;" in figures["train_accuracy"]["data"][0]["name"]
    choose(app, "")
    assert delta(app) == ""
    assert [trace["name"] for trace in figures["train_accuracy"]["data"]] == ["test"]


def test_no_difference_is_no_arrow(runs: dict[str, RunFolder], open_page: Open) -> None:
    app = choose(open_page("train", run=runs["shown"].id), runs["equal"].id)
    tile = next(tile for tile in app.metric if tile.label == "Test accuracy")
    assert tile.delta == "±0.0 points"
    assert tile.proto.color == tile.proto.MetricColor.GRAY
    assert tile.proto.direction == tile.proto.MetricDirection.NONE


def test_the_choice_stays_in_this_tab_and_goes_before_the_run_that_was_looked_at_last(
    runs: dict[str, RunFolder], open_page: Open
) -> None:
    app = open_page("train", run=runs["shown"].id)
    app.session_state["train_ghost"] = runs["threshold"].id
    assert delta(app.run()) == "+10.0 points"
    assert choice(app).value == runs["threshold"].id
    choose(app, runs["named"].id)
    app.switch_page("pages/runs.py").run()
    app.switch_page("pages/train.py").run()
    assert delta(app) == "-10.0 points"
    choose(app, "")
    app.switch_page("pages/runs.py").run()
    app.switch_page("pages/train.py").run()
    assert delta(app) == ""
    # Who says "Edit as new run" wants that run behind the next one.
    app.query_params["run"] = runs["equal"].id
    app.run()
    app.button(key="train_retrain").click().run()
    app.query_params["run"] = runs["shown"].id
    assert delta(app.run()) == "±0.0 points"


def test_what_answers_another_question_or_is_gone_stands_behind_no_run(
    lab: Lab, runs: dict[str, RunFolder], open_page: Open
) -> None:
    for name in ("features", "other images"):
        app = open_page("train", run=runs["shown"].id)
        app.session_state["train_ghost"] = runs[name].id
        assert delta(app.run()) == ""
    app = choose(open_page("train", run=runs["shown"].id), runs["named"].id)
    lab.delete(runs["named"].id)
    assert delta(app.run()) == ""
    assert not app.exception
    assert choice(app).value == ""
