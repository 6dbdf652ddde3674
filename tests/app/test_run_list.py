"""The list of runs: chosen, compared, told apart, and the queue above it."""

from __future__ import annotations

import io
import shutil
import zipfile

from engine.catalog import catalog
from engine.lab.lab import Lab
from engine.runs.folder import Status, runs_as_zip
from tests.app.app_helpers import Open, choose_in_list, put_beside, run_rows

CONFIG = catalog()["presets"]["digits-fixmatch"]["config"]


def test_several_runs_are_exported_as_one_archive_with_a_folder_each(lab: Lab) -> None:
    folders = [put_beside(lab, {**CONFIG, "seed": seed}, Status("finished")) for seed in (1, 2)]
    with zipfile.ZipFile(io.BytesIO(runs_as_zip(folders))) as archive:
        assert {name.split("/")[0] for name in archive.namelist()} == {folder.id for folder in folders}
        assert {name.split("/")[1] for name in archive.namelist()} == {"config.json", "status.json"}
    for folder in folders:
        lab.delete(folder.id)


def test_chosen_runs_are_compared_and_a_choice_ends_with_the_rows_it_was_made_in(lab: Lab, open_page: Open) -> None:
    run, second = (put_beside(lab, {**CONFIG, "seed": seed}, Status("finished")) for seed in (1, 2))
    for folder in (run, second):
        folder.add_metrics({"step": 10, "test/accuracy": 0.5})
    app = open_page("runs")
    assert all(app.button(key=f"runs_{what}").disabled for what in ("compare", "rename", "retrain", "delete"))
    choose_in_list(app, run.id, second.id)
    assert app.button(key="runs_rename").disabled  # of one run only
    swatches = {row["id"]: row["color"] for row in run_rows(app) if row["color"]}
    assert swatches.keys() == {run.id, second.id}
    assert len(set(swatches.values())) == 1  # one configuration, two seeds
    # Another list, in which the same places hold other runs: nothing is chosen there.
    app.text_input(key="runs_search").set_value(second.id).run()
    assert [row["id"] for row in run_rows(app)] == [second.id]
    assert app.button(key="runs_compare").disabled
    app.text_input(key="runs_search").set_value("").run()
    choose_in_list(app, run.id, second.id)
    app.button(key="runs_compare").click().run()
    assert not app.exception
    assert set(app.session_state["compare_chosen"]) == {run.id, second.id}
    for folder in (run, second):
        lab.delete(folder.id)


def test_runs_of_one_name_say_in_the_list_what_they_differ_in(lab: Lab, open_page: Open) -> None:
    folders = [
        put_beside(lab, {**CONFIG, "name": "mine", "seed": seed}, Status("finished", metrics={"test/accuracy": 0.5}))
        for seed in (4, 5)
    ]
    app = open_page("runs")
    rows = {row["id"]: row for row in run_rows(app)}
    assert [rows[folder.id]["differs"] for folder in folders] == ["seed 4", "seed 5"]
    assert rows[folders[0].id]["accuracy"] == 50.0
    for folder in folders:
        lab.delete(folder.id)


def test_what_was_changed_while_a_run_trained_is_said_in_words_where_runs_are_compared(
    lab: Lab, open_page: Open
) -> None:
    changed, left_alone = (put_beside(lab, CONFIG, Status("finished", steps=4000)) for _ in range(2))
    for folder in (changed, left_alone):
        folder.add_metrics({"step": 2000, "test/accuracy": 0.5})
    changed.add_event("change", 1000, key="method.threshold", value=0.8)
    changed.add_event("change", 1500, key="optimizer.lr", value=0.01)
    app = open_page("compare", runs=[changed.id, left_alone.id])
    metrics, differing = (table.value.to_dict("records") for table in app.dataframe)
    assert metrics[0]["run"] == "τ 0.8 from step 1,000 and 1 more change"
    assert [row["changed while it trained"] for row in differing] == [
        "τ 0.8 from step 1,000, η 0.01 from step 1,500",
        "–",
    ]
    assert metrics[0]["color"] != metrics[1]["color"]  # it repeats no run
    for folder in (changed, left_alone):
        lab.delete(folder.id)


def test_a_run_is_found_by_its_tags_and_its_note(lab: Lab, open_page: Open) -> None:
    run, other = (put_beside(lab, {**CONFIG, "seed": seed}, Status("finished")) for seed in (6, 7))
    app = open_page("runs")
    assert not app.multiselect  # nothing to choose from yet
    lab.store.rename(run.id, "my run")
    lab.store.annotate(run.id, "Weak views **only**.", ["Baseline", "paper"])
    lab.store.annotate(other.id, "Nothing of note.", ["paper"])
    app = open_page("runs")
    rows = {row["id"]: row for row in run_rows(app)}
    assert rows[run.id]["run"] == "my run"
    assert list(rows[run.id]["tags"]) == ["Baseline", "paper"]
    assert rows[run.id]["note"] == "Weak views **only**."
    for words in ("baseline", "views weak", "my paper", "weak digits nowhere"):
        app.text_input(key="runs_search").set_value(words).run()
        assert [row["id"] for row in run_rows(app)] == ([] if "nowhere" in words else [run.id])
    app.text_input(key="runs_search").set_value("").run()
    for tags, found in ((["paper"], {run.id, other.id}), (["paper", "Baseline"], {run.id})):
        app.multiselect(key="runs_tags").set_value(tags).run()
        assert {row["id"] for row in run_rows(app)} == found
    assert not app.exception
    for folder in (run, other):
        lab.delete(folder.id)


def test_an_interrupted_run_stands_on_top_and_in_the_list_with_its_reason(lab: Lab, open_page: Open) -> None:
    cut = put_beside(lab, CONFIG, Status("interrupted", 5, 20, 3.0, reason="Its process ended while it trained."))
    app = open_page("runs")
    assert app.button(key=f"runs_resume_{cut.id}")
    assert [row["reason"] for row in run_rows(app) if row["id"] == cut.id] == ["Its process ended while it trained."]
    choose_in_list(app, cut.id)
    assert not app.button(key="runs_delete").disabled
    lab.delete(cut.id)


def test_a_queue_stands_above_the_list_in_its_order_and_can_be_changed(lab: Lab, open_page: Open) -> None:
    lab.close()  # first, so that nothing of what is queued begins to train; the last test of this file
    waiting = [
        put_beside(lab, {**CONFIG, "name": f"waits {order}"}, Status("queued", steps=10, order=2e9 + order))
        for order in range(3)
    ]
    app = open_page("runs")
    lines = [element.value for element in app.markdown if "waits" in element.value and "queued" in element.value]
    assert [line.split("·")[0].strip(" *") for line in lines][:3] == ["waits 0", "waits 1", "waits 2"]
    assert app.button(key=f"runs_up_{waiting[0].id}").disabled
    app.button(key=f"runs_up_{waiting[2].id}").click().run()
    assert [run.id for run in lab.store.queue()] == [waiting[i].id for i in (0, 2, 1)]
    for folder in waiting:
        shutil.rmtree(folder.path)
