"""Which run a page shows, and what is drawn beside it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from engine.catalog import catalog
from engine.lab.lab import Lab
from engine.runs.folder import RunFolder, Status
from tests.app.app_helpers import Open, put_beside, words
from tests.waiting import PATIENCE
from ui.figures.frame import Figure

PRESETS = catalog()["presets"]
Put = Any


@pytest.fixture
def put(lab: Lab) -> Iterator[Put]:
    """Runs that have ended without having been trained, gone after the test. The last one is the newest."""
    folders: list[RunFolder] = []

    def one(preset: str, status: Status | None = None, **parts: Any) -> RunFolder:
        ended = Status("finished", step=10, steps=10, metrics={"test/accuracy": 0.5})
        folders.append(put_beside(lab, {**PRESETS[preset]["config"], **parts}, status or ended))
        return folders[-1]

    yield one
    for folder in folders:
        folder.update_status(state="finished")
        lab.delete(folder.id)


def drawn(monkeypatch: pytest.MonkeyPatch, module: str) -> dict[str, Figure]:
    """Figures by their key, as a page hands them to the browser."""
    figures: dict[str, Figure] = {}
    monkeypatch.setattr(f"{module}.live_figure", lambda figure, key, **_: figures.update({key: figure}))
    return figures


def names(figure: Figure) -> set[str]:
    return {trace["name"] for trace in figure["data"] if trace.get("showlegend", True)}


@pytest.mark.parametrize(
    ("page", "lacks"),
    [
        ("pseudo_labels", "has no pseudo-labels: they come from the evaluations of a run with a few labels"),
        ("errors", "has not been evaluated"),
        ("predict", "has no model: one is saved when a run finishes or is stopped"),
    ],
)
def test_a_run_without_what_a_page_shows_is_said_and_no_other_takes_its_place(
    put: Put, open_page: Open, page: str, lacks: str
) -> None:
    whole, asked = put("digits-fixmatch"), put("digits-proden", name="the one that was asked for")
    whole.model_file.touch()
    whole.write_snapshot(10, {})
    app = open_page(page, run=asked.id)
    assert f"the one that was asked for {lacks}. Choose another run to look at here." in words(app)
    (picker,) = app.selectbox
    assert picker.value is None
    assert len(picker.options) == 1
    picker.select_index(0).run()
    assert app.session_state["current_run"] == whole.id
    assert lacks not in words(app)


def test_runs_of_one_name_are_told_apart_on_start_and_in_the_queue(
    put: Put, lab: Lab, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = [put("digits-fixmatch", seed=seed) for seed in (3, 4, 5)]
    name = "FixMatch on handwritten digits, 2 labels per class"
    said = words(open_page("start"))
    assert all(f"{name}, seed {seed}" in said for seed in (3, 4, 5))
    waiting = [lab.store.run(folder.id) for folder in folders]
    monkeypatch.setattr(lab.store, "queue", lambda: waiting)
    said = words(open_page("train", run=put("digits-proden").id))
    assert f"3 more in the queue: {name}, seed 3; seed 4; seed 5" in said


def test_the_heading_of_train_has_no_number_where_nothing_distinguishes_two_runs(put: Put, open_page: Open) -> None:
    twins = [put("digits-fixmatch", seed=6, name="the same again") for _ in range(2)]
    for twin in twins:
        headings = [heading.value for heading in open_page("train", run=twin.id).subheader]
        assert "the same again" in headings


def test_a_new_tabs_train_page_shows_the_run_that_trains(put: Put, open_page: Open) -> None:
    put("digits-fixmatch")
    assert "No run is open." in words(open_page("train"))
    put("digits-fixmatch", Status("running", step=3, steps=10), name="the one that trains")
    put("digits-fixmatch")
    app = open_page("train")
    assert "No run is open." not in words(app)
    assert "the one that trains" in [heading.value for heading in app.subheader]


def test_a_link_says_more_than_what_trains(put: Put, open_page: Open) -> None:
    asked = put("digits-fixmatch", name="the one that was asked for")
    put("digits-fixmatch", Status("running", step=3, steps=10))
    assert "the one that was asked for" in [heading.value for heading in open_page("train", run=asked.id).subheader]


def test_a_link_to_a_run_that_is_gone_does_not_show_what_trains(put: Put, open_page: Open) -> None:
    put("digits-fixmatch", Status("running", step=3, steps=10), name="the one that trains")
    app = open_page("train", run="20260101-000000-fixmatch-digits-0000")
    assert "the one that trains" not in [heading.value for heading in app.subheader]


def test_how_far_the_features_are_is_said_before_the_first_step(put: Put, open_page: Open) -> None:
    words_said = "features of 1,024 of 2,500 images, 40 s left"
    run = put(
        "digits-label-spreading",
        Status("running", step=0, steps=10, reason=words_said, heartbeat=time.time() + PATIENCE),
    )
    app = open_page("train", run=run.id)
    assert any(words_said in element.proto.text for element in app.get("progress"))


def test_the_loss_of_another_method_is_not_drawn_behind_this_ones(
    put: Put, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = drawn(monkeypatch, "ui.train.metric_curves")
    row = {"step": 5, "loss/labeled": 1.0, "test/accuracy": 0.5}
    shown, same, other = (
        put("digits-fixmatch"),
        put("digits-fixmatch"),
        put("digits-fixmatch", method={"name": "pseudo_label"}),
    )
    for folder in (shown, same, other):
        for step in (5, 10):
            folder.add_metrics({**row, "step": step})
    curves: dict[str, tuple[int, int]] = {}
    for ghost in (same, other):
        app = open_page("train", run=shown.id)
        app.session_state["train_ghost"] = ghost.id
        app.run()
        curves[ghost.id] = len(figures["train_loss"]["data"]), len(figures["train_accuracy"]["data"])
    assert curves[same.id] == (2, 2)
    assert curves[other.id] == (1, 2)


def test_a_tile_is_held_against_the_run_before_at_the_same_step(put: Put, open_page: Open) -> None:
    """While a run trains, the end of the run before would make every one look worse."""
    before = put("digits-fixmatch")
    shown = put("digits-fixmatch", Status("running", step=5, steps=10, heartbeat=time.time() + PATIENCE))
    for run, accuracies in ((before, {5: 0.5, 10: 0.9}), (shown, {5: 0.6})):
        for step, accuracy in accuracies.items():
            run.add_metrics({"step": step, "test/accuracy": accuracy})
    app = open_page("train", run=shown.id)
    app.session_state["train_ghost"] = before.id
    tile = next(tile for tile in app.run().metric if tile.label == "Test accuracy")
    assert (tile.value, tile.delta) == ("60.0 %", "+10.0 points")


def test_seeds_that_share_no_step_are_drawn_one_by_one(
    put: Put, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = drawn(monkeypatch, "ui.compare.curves")
    runs = [put("digits-fixmatch", seed=seed) for seed in (1, 2)]
    for run, steps in zip(runs, ((5, 10), (4, 8)), strict=True):
        for step in steps:
            run.add_metrics({"step": step, "test/accuracy": step / 10})
    app = open_page("compare")
    app.multiselect[0].set_value([run.id for run in runs]).run()
    assert "its runs were evaluated at different steps." in words(app)
    assert "Switch the average off" not in words(app)
    assert sorted(trace["y"] for trace in figures["compare_curves"]["data"]) == [[0.4, 0.8], [0.5, 1.0]]


def test_compare_begins_with_runs_that_have_a_curve_and_not_with_those_that_wait(put: Put, open_page: Open) -> None:
    trained = [put("digits-fixmatch", seed=seed) for seed in (1, 2)]
    for run in trained:
        run.add_metrics({"step": 5, "test/accuracy": 0.5})
    waiting = put("digits-fixmatch", Status("running", step=0, steps=10), seed=3)
    picker = open_page("compare").multiselect[0]
    assert set(picker.value) == {run.id for run in trained}
    assert len(picker.options) == 3, f"{waiting.id} can be chosen"


def test_many_curves_are_offered_in_a_list_because_their_buttons_would_push_the_figure_down(
    put: Put, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = drawn(monkeypatch, "ui.compare.curves")
    run = put("digits-fixmatch")
    losses = ("loss/labeled", "loss/unlabeled", "mask_rate", "pseudo_label/accuracy", "validation/accuracy")
    run.add_metrics({"step": 5, "test/accuracy": 0.5, **dict.fromkeys(losses, 0.25)})
    app = open_page("compare", runs=run.id)
    assert len(app.button_group(key="compare_curve").options) == 6
    app.button_group(key="compare_curve").set_value("loss/labeled").run()
    probes = ("test/knn_full", "test/knn_1_per_class", "test/knn_5_per_class")
    run.add_metrics({"step": 10, **dict.fromkeys(probes, 0.75)})
    app.run()
    curves = app.selectbox(key="compare_curve_of_many")
    assert len(curves.options) == 9
    assert curves.value == "loss/labeled", "what was chosen by button is lost"
    curves.select("test/knn_full").run()
    assert not app.exception
    assert figures["compare_curves"]["data"][0]["y"] == [0.75]
