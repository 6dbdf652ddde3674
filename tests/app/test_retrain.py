"""What the buttons that start from an earlier run do with its settings, its name and its features."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from engine.analysis.compare import differing
from engine.catalog import catalog
from engine.lab.lab import Lab
from engine.runs.folder import PARTS, RunFolder, Status
from tests.app.app_helpers import Open, choose_in_list, put_beside, run_rows

CONFIG = catalog()["presets"]["digits-fixmatch"]["config"]


def ended(lab: Lab, **parts: dict[str, Any] | str) -> RunFolder:
    """A run that ended, with a model file, without having been trained."""
    status = Status("finished", step=10, steps=10, metrics={"test/accuracy": 0.5})
    folder = put_beside(lab, {**CONFIG, **parts}, status)
    folder.model_file.touch()
    return folder


def in_the_form(app: AppTest) -> Any:
    """The config that the form holds; None before it was drawn."""
    return app.session_state["train_config"] if "train_config" in app.session_state else None  # noqa: SIM401  # no dict


@pytest.mark.parametrize(
    ("page", "key"), [("train", "train_retrain"), ("runs", "runs_retrain")], ids=["on Train", "in the list"]
)
@pytest.mark.parametrize(
    ("part", "kind"),
    [("method", "method"), ("data", "data set"), ("backbone", "network"), ("optimizer", "optimizer")],
)
def test_a_run_of_what_is_no_longer_there_cannot_be_retrained_and_leaves_the_form_as_it_is(
    page: str, key: str, part: str, kind: str, lab: Lab, open_page: Open
) -> None:
    folder = ended(lab, **{part: {**CONFIG[part], "name": "gone"}})
    app = open_page(page, run=folder.id)
    if page == "runs":
        choose_in_list(app, folder.id)
    before = in_the_form(app)
    app.button(key=key).click().run()
    assert not app.exception
    (sentence,) = (error.value.replace("\\", "") for error in app.error)
    assert sentence == f"This FewLab has no {kind} named 'gone': choose another run to start from."
    assert in_the_form(app) == before
    lab.delete(folder.id)


@pytest.mark.parametrize(("page", "key"), [("train", "train_retrain"), ("runs", "runs_retrain")])
def test_retrain_says_that_the_form_was_filled_in_and_says_it_once(
    page: str, key: str, lab: Lab, open_page: Open
) -> None:
    folder = ended(lab)
    app = open_page(page, run=folder.id)
    assert not app.toast
    if page == "runs":
        choose_in_list(app, folder.id)
    app.button(key=key).click().run()
    assert [toast.value for toast in app.toast] == ["Settings are in the form: press Start."]
    assert not app.run().toast
    lab.delete(folder.id)


def test_lists_say_what_a_probe_was_given_and_sort_it_behind_runs_that_classify_by_themselves(
    lab: Lab, open_page: Open
) -> None:
    metrics = {"test/accuracy": 0.97, "test/linear_full": 0.97}
    probed = put_beside(lab, {**CONFIG, "name": "judged by a probe"}, Status("finished", metrics=metrics))
    own = put_beside(lab, {**CONFIG, "name": "judged by itself"}, Status("finished", metrics={"test/accuracy": 0.5}))
    app = open_page("runs")
    app.text_input(key="runs_search").set_value("judged").run()
    app.selectbox(key="runs_sort").set_value("test accuracy").run()
    listed = [(row["accuracy"], row["given"]) for row in run_rows(app)]
    assert listed == [(50.0, "2 labels per class"), (97.0, "probe, all labels")]
    for folder in (probed, own):
        lab.delete(folder.id)


def test_compare_opens_with_the_run_and_the_one_that_was_looked_at_before(lab: Lab, open_page: Open) -> None:
    folders = [ended(lab) for _ in range(3)]
    for folder in folders:
        folder.add_metrics({"step": 10, "test/accuracy": 0.5})
    app = open_page("train", run=folders[1].id)
    app.session_state["train_ghost"] = folders[0].id
    app.button(key="train_compare").click().run()
    assert not app.exception
    assert app.session_state["compare_chosen"] == [folders[1].id, folders[0].id]
    for folder in folders:
        lab.delete(folder.id)


def test_the_features_of_a_run_whose_data_set_is_no_longer_there_are_one_sentence(lab: Lab, open_page: Open) -> None:
    folder = ended(lab, data={**CONFIG["data"], "name": "gone"})
    for page, key in (("train", "train_features"), ("start", "start_model")):
        app = open_page(page, run=folder.id)
        app.button(key=key).click().run()
        assert not app.exception
        (sentence,) = (error.value.replace("\\", "") for error in app.error)
        assert sentence == "This FewLab has no data set named 'gone': choose another run to start from."
    lab.delete(folder.id)


def test_the_features_of_a_run_whose_method_is_no_longer_there_serve_fixmatch(lab: Lab, open_page: Open) -> None:
    folder = ended(lab, method={"name": "gone"})
    app = open_page("train", run=folder.id)
    app.button(key="train_features").click().run()
    assert not app.exception
    assert not app.error
    assert app.session_state["train_config"]["method"]["name"] == "fixmatch"
    assert app.session_state["train_config"]["backbone"]["init"] == f"run:{folder.id}"
    lab.delete(folder.id)


def test_runs_of_one_title_are_told_apart_among_the_initial_weights(lab: Lab, open_page: Open) -> None:
    folders = [ended(lab, name="twin") for _ in range(2)]
    app = open_page("train")
    (weights,) = (box for box in app.selectbox if box.label == "Start from")
    assert len([title for title in weights.options if "twin" in title]) == 2
    assert len(set(weights.options)) == len(weights.options)
    for folder in folders:
        lab.delete(folder.id)


@pytest.mark.parametrize(
    ("page", "slider", "button"),
    [
        ("train", "train_live_threshold_{id}_0", "train_retrain_at"),
        ("pseudo_labels", "pseudo_threshold_{id}", "pseudo_retrain"),
    ],
)
def test_retrain_at_another_threshold_differs_in_it_alone_and_has_no_name_of_its_own_yet(
    page: str, slider: str, button: str, lab: Lab, open_page: Open
) -> None:
    folder = ended(lab, name="typed")
    sizes = np.arange(40), np.full(40, PARTS.index("unlabeled"), np.uint8), np.full((40, 10), 0.1, np.float16)
    folder.write_snapshot(10, dict(zip(("ids", "part", "probabilities"), sizes, strict=True)))
    before = {run.id for run in lab.store.runs()}
    app = open_page(page, run=folder.id)
    app.slider(key=slider.format(id=folder.id)).set_value(0.8).run()
    app.button(key=button).click().run()
    assert not app.exception
    (new,) = (run for run in lab.store.runs() if run.id not in before)
    # A draw of labels that follows the seed is written out when a config is resolved.
    resolved = lab.check(folder.config())
    assert differing([resolved, new.config]) == {"method.threshold": [0.9, 0.8]}
    assert (resolved["name"], new.config["name"]) == ("typed", "")
    assert app.session_state["train_ghost"] == folder.id
    assert app.session_state["current_run"] == new.id
