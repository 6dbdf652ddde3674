"""Every page with a run, as a user reads it. Each test passes alone and in any order."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.lab.lab import Lab
from engine.lab.messages import ImportImages
from engine.presets import PRESETS
from engine.runs.store import Run
from tests.app.app_helpers import Open, choose_in_list, put_beside, run_rows, words
from tests.app.known_runs import component
from tests.fixtures_images import folder_of, grey
from tests.waiting import PATIENCE

pytestmark = pytest.mark.slow  # several seconds each

SHORT = {
    **PRESETS["digits-fixmatch"].config,
    "name": " short <b>run</b>\n*of* digits ",
    "budget": {"steps": 40, "batch_size": 16, "evaluate_every": 10},
}


def finished(lab: Lab, run_id: str) -> Run:
    for _ in range(600):
        run = lab.store.run(run_id)
        if not run.status.active:
            return run
        time.sleep(0.1)
    raise AssertionError(f"the run is still {run.status.state} after a minute")


@pytest.fixture(scope="module")
def run(lab: Lab) -> Run:
    """A finished run. What else a test starts it deletes: any test sees this one alone, or this one and `second`."""
    return finished(lab, lab.submit(SHORT).id)


@pytest.fixture
def second(lab: Lab, run: Run) -> Iterator[Run]:
    """A newer one, as if finished, that differs from `run` in its threshold."""
    folder = put_beside(lab, {**run.config, "method": {**run.config["method"], "threshold": 0.8}}, run.status)
    folder.metrics_file.write_bytes(run.folder.metrics_file.read_bytes())
    yield lab.store.run(folder.id)
    lab.delete(folder.id)


def test_a_finished_run_is_shown_everywhere(run: Run, open_page: Open) -> None:
    assert run.status.state == "finished"
    train = open_page("train", run=run.id)
    assert [metric.label for metric in train.metric] == ["Test accuracy", "Mask rate", "Pseudo-label accuracy"]
    arrays = run.folder.snapshot(run.folder.snapshot_steps()[-1])
    used = len(set(arrays["pseudo_ids"][arrays["pseudo_weight"] > 0].tolist()))
    train.button(key="show_counted_train_mask_rate").click().run()
    assert f"Pseudo-labels used in the last batches, after step {run.status.steps}**: {used}" in words(train)
    train = open_page("train", run=run.id)
    assert train.metric[0].value.endswith(" %")
    assert {"Edit as new run", "Retrain at 0.90", "Predict with it", "Compare"} <= {
        button.label for button in train.button
    }
    # The name is text, not markup.
    assert "short \\<b\\>run\\</b\\> \\*of\\* digits" in words(train)
    (row,) = run_rows(open_page("runs"))
    assert (row["run"], row["accuracy"]) == (run.name, 100 * run.status.metrics["test/accuracy"])
    compare = open_page("compare")
    assert "Final metrics" in words(compare)
    assert "Test accuracy" in words(open_page("predict"))
    inside = open_page("pseudo_labels", run=run.id)
    assert [metric.label for metric in inside.metric] == [
        "Above threshold",
        "Pseudo-label accuracy",
        "Incorrect pseudo-labels",
    ]
    assert "Compare with another run" in words(open_page("errors", run=run.id))
    space, deadline = open_page("space", run=run.id), time.monotonic() + PATIENCE
    while not space.metric and time.monotonic() < deadline:  # its process may still be starting
        time.sleep(0.5)
        space.run()
    assert [metric.label for metric in space.metric] == ["Trustworthiness", "Neighbors of the same class", "Points"]
    assert "**20 labeled**, the diamonds of the map" in words(space)


def test_retrain_puts_the_runs_settings_into_the_form(run: Run, open_page: Open) -> None:
    app = open_page("train", run=run.id)
    app.button(key="train_retrain").click().run()
    assert app.number_input(key="train_1_fixmatch_digits_budget_steps").value == 40
    assert app.session_state["train_ghost"] == run.id


def test_a_model_to_build_on_is_the_newest_run_of_these_images(run: Run, open_page: Open) -> None:
    app = open_page("train")
    app.selectbox(key="train_0_have").select("model").run()
    assert not app.exception
    assert app.session_state["train_config"]["backbone"] == {**run.config["backbone"], "init": f"run:{run.id}"}
    start = open_page("start")
    start.button(key="start_model").click().run()
    assert start.session_state["train_config"]["backbone"]["init"] == f"run:{run.id}"


def test_the_ghost_is_the_run_before_but_only_on_the_same_data_set(
    lab: Lab, run: Run, second: Run, open_page: Open
) -> None:
    other = put_beside(lab, {**run.config, "data": {**run.config["data"], "name": "noise"}}, run.status)
    other.metrics_file.write_bytes(run.folder.metrics_file.read_bytes())
    deltas = []
    for run_id in (second.id, other.id):
        app = open_page("train", run=run_id)
        app.session_state["train_ghost"] = run.id
        deltas.append(app.run().metric[0].delta)
    lab.delete(other.id)
    assert "points" in deltas[0]
    assert not deltas[1]


def test_the_first_look_at_start_asks_the_engine_nothing(
    lab: Lab, run: Run, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise AssertionError("the Start page waited for the engine")

    # The name of another is made from the catalog, below what a newcomer looks at first.
    assert run.name
    monkeypatch.setattr(lab.store, "runs", lambda: [run])
    for module in (
        "ui.shell.server",
        "ui.runs.distinct_names",
        "ui.runs.prefill",
        "ui.train.initial_weights",
        "ui.train.form",
    ):
        monkeypatch.setattr(f"{module}.catalog", refuse)
    app = open_page("start")
    assert len([button for button in app.button if str(button.label).startswith("Try it")]) == 4
    assert any(button.label == "Open" for button in app.button)


def test_two_runs_compared_show_only_what_differs(run: Run, second: Run, open_page: Open) -> None:
    app = open_page("compare", runs=[run.id, second.id])
    assert "Settings that differ" in words(app)
    table = app.dataframe[1]
    assert list(table.value) == ["color", "run", "threshold τ"]
    assert list(table.value["threshold τ"]) == ["0.9", "0.8"]
    assert '"help": "In the config: `method.threshold`"' in table.proto.columns


def test_a_row_of_final_metrics_opens_its_run(run: Run, second: Run, open_page: Open) -> None:
    app = open_page("compare", runs=[run.id, second.id])
    table = app.dataframe[0]
    assert list(table.value["steps"]) == [40, 40]
    assert list(table.value["from"]) == ["2 labels per class"] * 2
    assert not [button for button in app.button if button.key == "compare_open_pages/errors.py"]
    assert table.key is not None
    app.session_state[table.key] = {"selection": {"rows": [1], "columns": [], "cells": []}}
    app.run()
    app.button(key="compare_open_pages/errors.py").click().run()
    assert not app.exception
    assert app.title[0].value == "Errors"
    assert app.query_params["run"] == second.id


def test_a_benchmark_starts_every_method_on_the_same_labels(lab: Lab, run: Run, open_page: Open) -> None:
    base, before = run, {run.id for run in lab.store.runs()}
    app = open_page("compare", runs=base.id)
    assert not [button for button in app.button if button.key == "race_start"]
    app.session_state["compare_race_0"] = True
    app.run()
    labeled(app.multiselect, "Methods").set_value(["supervised", "pseudo_label"]).run()
    app.button(key="race_start").click().run()
    assert not app.exception
    assert not [button for button in app.button if button.key == "race_start"], "the form is still open"
    entered = [finished(lab, run.id) for run in lab.store.runs() if run.id not in before]
    assert {run.config["method"]["name"] for run in entered} == {"supervised", "pseudo_label"}
    assert set(app.session_state["compare_chosen"]) == {run.id for run in entered}
    for part in ("data", "backbone", "budget", "seed"):
        assert all(run.config[part] == base.config[part] for run in entered), part
    splits = [run.folder.split()["labeled"].tolist() for run in (base, *entered)]
    assert splits[0] == splits[1] == splits[2]
    for run in entered:
        lab.delete(run.id)


def test_a_benchmark_begins_with_the_runs_that_are_compared(lab: Lab, run: Run, second: Run, open_page: Open) -> None:
    method = {"name": "pseudo_label"}
    other = put_beside(lab, {**run.config, "method": method}, replace(run.status, state="stopped", step=10, seconds=7))
    other.metrics_file.write_bytes(run.folder.metrics_file.read_bytes())
    app = open_page("compare", runs=[run.id, other.id])
    app.session_state["compare_race_0"] = True
    app.run()
    base = labeled(app.selectbox, "Images, labels, network and steps as in")
    assert base.value == run.id, "the newest run, which is not compared"
    methods = labeled(app.multiselect, "Methods")
    assert methods.value == ["supervised", "fixmatch", "pseudo_label"]
    # 7 s for 10 of its 40 steps.
    methods.set_value(["pseudo_label"]).run()
    assert "About 28 s in all, going by runs of these methods." in words(app)
    lab.delete(other.id)


def labeled(widgets: Any, label: str) -> Any:
    return next(widget for widget in widgets if widget.label == label)


def test_deleting_asks_first_and_names_what_goes(lab: Lab, run: Run, open_page: Open) -> None:
    app = open_page("runs")
    assert app.button(key="runs_delete").disabled
    choose_in_list(app, run.id)
    app.button(key="runs_delete").click().run()
    assert "of curves, snapshots and weights will be permanently deleted" in words(app)
    assert "short \\<b\\>run" in words(app)
    assert lab.store.run(run.id).status == run.status


GONE = "20260101-000000-fixmatch-digits-0000"


def test_a_link_to_a_run_that_is_gone_is_one_sentence_without_ids(run: Run, open_page: Open) -> None:
    sentence = "The run in this link is not in this checkpoints folder: it was deleted, or belongs to another folder."
    for page in ("train", "compare"):
        said = [warning.value for warning in open_page(page, run=GONE).warning]
        assert said == [sentence], page
    app = open_page("compare", run=GONE)
    assert [warning.value for warning in app.run().warning] == []  # said once
    near = run.id[:-1] + ("0" if run.id[-1] != "0" else "1")
    assert [warning.value for warning in open_page("errors", run=near).warning] == [sentence]


def test_compare_says_how_many_runs_of_a_link_are_gone_and_shows_the_others(run: Run, open_page: Open) -> None:
    app = open_page("compare", runs=[run.id, GONE])
    assert [warning.value for warning in app.warning] == [
        "1 of the 2 runs in this link is not in this checkpoints folder: it was deleted, or belongs to another folder."
    ]
    assert app.multiselect[0].value == [run.id]
    app = open_page("compare", runs=[GONE, GONE[:-1] + "1"])
    assert [warning.value for warning in app.warning] == [
        "The runs in this link are not in this checkpoints folder: they were deleted, or belong to another folder."
    ]
    assert not open_page("compare", runs=run.id).warning


def test_the_test_set_is_classified_with_true_labels_beside(run: Run, open_page: Open) -> None:
    app = open_page("predict", run=run.id)
    app.button_group(key="predict_source").set_value("the test set").run()
    assert not app.exception
    verdicts = [
        markdown.value for markdown in app.markdown if "✓ correct" in markdown.value or "✗ true class" in markdown.value
    ]
    assert len(verdicts) == 6
    labeled = set(run.folder.split()["labeled"].tolist())
    for number in range(6):
        near = component(app, f"predict_nearest_{number}")["items"]
        assert len({item["id"] for item in near} & labeled) == len(near) == 4
        cosines = [float(item["lines"][1].removeprefix("cos ")) for item in near]
        assert cosines == sorted(cosines, reverse=True)


def test_a_run_of_photos_without_any_class_is_shown_on_every_page(lab: Lab, open_page: Open, tmp_path: Path) -> None:
    photos = folder_of(tmp_path / "photos", {f"IMG_{i}.png": grey(5 * i) for i in range(40)})
    data = {"name": "folder", "path": str(photos), "size": 8}
    lab.assistant.ask(ImportImages(data, str(tmp_path / "progress.json")))
    folder = lab.submit(
        {
            "method": {"name": "simclr"},
            "data": data,
            "name": "photos",
            "budget": {"steps": 10, "batch_size": 32, "evaluate_every": 5},
        }
    )
    run = finished(lab, folder.id)
    assert run.status.state == "finished", run.status.reason
    assert run.status.metrics == {}
    for page in ("train", "errors", "space", "pseudo_labels", "predict"):
        assert not open_page(page, run=run.id).error, page
    assert not open_page("compare", runs=run.id).error
    assert run.id in {row["id"] for row in run_rows(open_page("runs"))}
    lab.delete(run.id)


def test_photos_with_a_few_labels_start_with_all_of_those_and_their_run_has_pseudo_labels(
    lab: Lab, open_page: Open, tmp_path: Path
) -> None:
    files = {f"{name}/{i}.png": grey(60 * k + i) for k, name in enumerate(("cat", "dog")) for i in range(4)}
    files |= {"fox/0.png": grey(200)} | {f"unlabeled/{i}.png": grey(3 * i) for i in range(40)}
    photos = folder_of(tmp_path / "photos", files)
    app = open_page("train")
    app.selectbox(key="train_0_data").set_value("folder").run()
    key = "train_0_fixmatch_folder_data"
    assert app.selectbox(key=f"{key}_kind").value == "few"
    lab.assistant.ask(ImportImages({"name": "folder", "path": str(photos), "size": 32}, str(tmp_path / "told.json")))
    app.text_input(key=f"{key}_path").set_value(str(photos)).run()
    chosen = app.selectbox(key=f"{key}_kind_1")
    assert (chosen.value, chosen.options) == ("all", ["A few per class", "All labels given"])
    # Of the four of a class one is a test image, and of the one fox none.
    assert "7 labeled, 40 unlabeled, 2 test images." in words(app)
    assert "Class 'fox' has only 1 labeled image, class 'fox' has no test image" in words(app).replace("\\", "")
    # What is chosen then, stays; the other choice can be "at most".
    app.selectbox(key=f"{key}_kind_1").set_value("few").run()
    assert any("labels per class are asked for" in error.value for error in app.error)
    app.session_state["train_0_data_more"] = True
    app.run()
    app.toggle(key=f"{key}_few_at_most").set_value(True).run()
    assert "5 labeled, 42 unlabeled, 2 test images." in words(app)
    budget = {"steps": 4, "batch_size": 4, "evaluate_every": 2}
    run = finished(lab, lab.submit({**app.session_state["train_config"], "budget": budget}).id)
    assert run.status.state == "finished", run.status.reason
    assert "up to 2 labels per class" in words(open_page("train", run=run.id))
    given = {**app.session_state["train_config"], "budget": budget}
    given["data"] = {**given["data"], "labels": {"kind": "all"}}
    second = finished(lab, lab.submit(given).id)
    assert len(second.folder.split()["labeled"]) == 7
    assert open_page("pseudo_labels", run=second.id).metric[0].label == "Above threshold"
    # Its settings come back as they were: few labels are not put back to all.
    retrained = open_page("train", run=run.id)
    retrained.button(key="train_retrain").click().run()
    assert retrained.session_state["train_config"]["data"]["labels"] == run.config["data"]["labels"]
    for each in (run, second):
        lab.delete(each.id)


def test_a_run_without_labels_is_shown_on_every_page(lab: Lab, open_page: Open) -> None:
    folder = lab.submit(
        {
            "method": {"name": "simclr"},
            "data": {"name": "digits"},
            "name": "no labels",
            "budget": {"steps": 20, "batch_size": 32, "evaluate_every": 10},
        }
    )
    run = finished(lab, folder.id)
    assert run.status.state == "finished", run.status.reason
    accuracy = f"{run.status.metrics['test/accuracy'] * 100:.1f} %"
    train = open_page("train", run=run.id)
    assert train.metric[2].value == accuracy
    listed = {row["id"]: row["accuracy"] for row in run_rows(open_page("runs"))}
    assert f"{listed[run.id]:.1f} %" == accuracy
    assert "Final metrics" in words(open_page("compare"))
    assert accuracy in words(open_page("predict", run=run.id))
    assert not open_page("start").error
    assert not open_page("space", run=run.id).error
    assert not open_page("errors", run=run.id).error
    probes = next(table.value for table in train.dataframe if "probe" in table.value)
    assert list(probes["probe"])[:4] == [
        "Linear probe, 1 label per class",
        "Linear probe, 5 labels per class",
        "Linear probe, 10 labels per class",
        "Linear probe, all labels",
    ]
    for column, of in (
        ("learned features", ""),
        ("random initialization", "/first_weights"),
        ("raw pixels", "/pixels"),
    ):
        assert probes[column][3] == f"{run.status.metrics[f'test/linear_full{of}'] * 100:.1f} %"
    metrics = next(table.value for table in open_page("compare", runs=run.id).dataframe)
    assert list(metrics["from"]) == ["probe, all labels"]
    five = run.status.metrics["test/linear_5_per_class"]
    assert metrics["Linear probe, 5 labels per class"][0] == pytest.approx(100 * five)
    lab.delete(run.id)
