"""A run shown to an audience."""

from __future__ import annotations

from engine.catalog import catalog
from engine.lab.lab import Lab
from engine.runs.folder import Status
from tests.app.app_helpers import Open, put_beside, words

CONFIG = catalog()["presets"]["digits-fixmatch"]["config"]


def test_a_run_is_presented_alone_and_the_form_comes_back(lab: Lab, open_page: Open) -> None:
    run = put_beside(lab, CONFIG, Status("finished", 20, 20, 3.0, metrics={"test/accuracy": 0.9}))
    app = open_page("train", run=run.id)
    app.button(key="train_present").click().run()
    assert not app.exception
    assert app.query_params["present"] == "1"
    assert not [button for button in app.button if button.key == "train_start"]
    assert "FixMatch on handwritten digits, 2 labels per class" in words(app)
    app.button(key="train_leave_presentation").click().run()
    assert "present" not in app.query_params
    assert app.button(key="train_start")
    lab.delete(run.id)
