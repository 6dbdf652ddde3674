"""The numbers that pages show, computed once more from a run's files by numpy alone."""

from __future__ import annotations

import base64
import csv
import io
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from streamlit.testing.v1 import AppTest

from engine.lab.lab import Lab
from engine.runs.store import Run
from tests.app.app_helpers import Open, words
from tests.app.conftest import Downloads
from tests.app.known_runs import NAMES, TEMPERATURE, component, figure, known_run, shown_ids, snapshot
from ui.style import formatting
from ui.style.colors import BY_THEME

THRESHOLD = 0.75
METRICS = {"test/accuracy": 0.4321, "test/macro_f1": 0.3456, "test/auc_roc": 0.8765, "test/ece": 0.0625}
CURVES = [{"step": step, "loss/labeled": 2.0 / step, "test/accuracy": step / 100} for step in (10, 20)]
WITHOUT_LOSS = [{"step": step, "test/accuracy": step / 80} for step in (10, 20)]


@pytest.fixture(scope="module")
def first(lab: Lab) -> Run:
    return known_run(lab, "first", 5, METRICS, CURVES)


@pytest.fixture(scope="module")
def second(lab: Lab, first: Run) -> Run:
    return known_run(lab, "second", 6, {"test/accuracy": 0.5, "test/ece": 0.1}, WITHOUT_LOSS)


# Errors


def test_errors_counts_what_b_corrects_and_what_it_breaks_and_shows_these_images(
    first: Run, second: Run, open_page: Open
) -> None:
    app = open_page("errors", run=first.id)
    app.selectbox(key="errors_other").select(second.id).run()
    assert not app.exception
    ids, table, truth = snapshot(first, 20, "test")
    other_ids, other_table, _ = snapshot(second, 20, "test")
    assert ids.tolist() != other_ids.tolist()
    theirs = dict(zip(other_ids.tolist(), other_table.argmax(1).tolist(), strict=True))
    mine = table.argmax(1) == truth
    other = np.array([theirs[sample] for sample in ids.tolist()]) == truth
    corrected, broken = set(ids[~mine & other].tolist()), set(ids[mine & ~other].tolist())
    assert len(corrected) != len(broken)
    assert f"B corrects **{len(corrected)}** errors and makes **{len(broken)}** new ones." in words(app)
    assert set(shown_ids(app, "errors_fixed")) == corrected
    assert set(shown_ids(app, "errors_broken")) == broken
    assert f"Accuracy **{mine.mean() * 100:.1f} %**: {mine.sum()} of 60 test images" in words(app)


def test_errors_has_the_precision_and_recall_of_each_class(first: Run, open_page: Open) -> None:
    app = open_page("errors", run=first.id)
    _, table, truth = snapshot(first, 20, "test")
    predicted = table.argmax(1)
    rows = next(one.value for one in app.dataframe if "precision" in one.value)
    assert list(rows["class"]) == list(NAMES)
    assert (predicted == 3).any()
    for k in range(len(NAMES)):
        hits = ((predicted == k) & (truth == k)).sum()
        precision = 100 * hits / (predicted == k).sum()
        assert rows["precision"][k] == pytest.approx(precision)
        assert rows["images"][k] == (truth == k).sum()
        if k < 3:
            recall = 100 * hits / (truth == k).sum()
            assert rows["recall"][k] == pytest.approx(recall)
            assert rows["F1"][k] == pytest.approx(2 * precision * recall / (precision + recall))
    assert np.isnan(rows["recall"][3])  # no test image is of this class


def test_errors_says_which_classes_have_no_curve(first: Run, open_page: Open) -> None:
    app = open_page("errors", run=first.id)
    assert [one.value for one in app.caption if "Left out" in one.value] == ["Left out, without test images: yak."]
    drawn = figure(app, "errors_roc")["data"]
    assert {trace["name"].split(":")[0] for trace in drawn if ":" in trace.get("name", "")} == set(NAMES) - {"yak"}


def test_the_calibrated_curve_is_that_of_logits_over_the_models_temperature(first: Run, open_page: Open) -> None:
    drawn = figure(open_page("errors", run=first.id), "errors_reliability")["data"]
    _, table, truth = snapshot(first, 20, "test")
    # Half precision stores what is below 6e-8 as 0, whose logarithm is none.
    powers = np.maximum(table, 1e-7) ** (1 / TEMPERATURE)
    for trace, probabilities in zip(drawn, (table, powers / powers.sum(1, keepdims=True)), strict=True):
        confidence, right = probabilities.max(1), probabilities.argmax(1) == truth
        bins = [
            (low, high, (low / 15 < confidence) & (confidence <= high / 15))
            for low, high in zip(range(15), range(1, 16), strict=True)
        ]
        held = [(low, inside) for low, _, inside in bins if inside.any()]
        assert trace["y"] == pytest.approx([right[inside].mean() for _, inside in held])
        assert [point[1] for point in trace["customdata"]] == [inside.sum() for _, inside in held]
        error = sum(abs(confidence[inside].sum() - right[inside].sum()) for _, inside in held) / len(truth)
        assert trace["name"].endswith(f"ECE {error * 100:.1f} %")
        if trace["type"] == "scatter":
            assert trace["name"].startswith("scaled, T = 1.70")
            assert trace["x"] == pytest.approx([confidence[inside].mean() for _, inside in held])
    assert drawn[0]["y"] != drawn[1]["y"]


def test_the_most_confident_errors_come_first(first: Run, open_page: Open) -> None:
    ids, table, truth = snapshot(first, 20, "test")
    confidence = dict(zip(ids.tolist(), table.max(1).tolist(), strict=True))
    shown = shown_ids(open_page("errors", run=first.id), "errors_worst")
    wrong = ids[table.argmax(1) != truth].tolist()
    assert set(shown) <= set(wrong)
    assert len(shown) == min(36, len(wrong))
    assert [confidence[one] for one in shown] == sorted((confidence[one] for one in wrong), reverse=True)[: len(shown)]


# Pseudo-labels


def at_threshold(run: Run, step: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Of each unlabeled image: whether it is selected, whether its class is known, whether its prediction is right."""
    _, table, truth = snapshot(run, step, "unlabeled")
    confidence = table.max(1)
    assert (confidence == THRESHOLD).any()
    assert (confidence == 1).any()
    return confidence >= THRESHOLD, truth >= 0, table.argmax(1) == truth


def test_the_tiles_of_pseudo_labels_count_what_is_at_or_above_the_threshold(first: Run, open_page: Open) -> None:
    app = open_page("pseudo_labels", run=first.id, tau="0.75")
    selected, known, right = at_threshold(first, 20)
    assert [metric.value for metric in app.metric] == [
        f"{selected.mean() * 100:.1f} %",
        f"{(right & selected).sum() / (known & selected).sum() * 100:.1f} %",
        str((selected & known & ~right).sum()),
    ]
    assert app.metric[0].help == (
        f"{selected.sum()} of {len(selected)} unlabeled images are at or above the threshold."
    )


def test_an_earlier_evaluation_has_its_own_numbers(first: Run, open_page: Open) -> None:
    app = open_page("pseudo_labels", run=first.id, tau="0.75", step="10")
    selected, known, right = at_threshold(first, 10)
    assert app.metric[0].value == f"{selected.mean() * 100:.1f} %"
    assert app.metric[2].value == str((selected & known & ~right).sum())
    assert at_threshold(first, 20)[0].sum() != selected.sum()


def test_every_unlabeled_image_is_in_the_histogram_also_those_that_are_certain(first: Run, open_page: Open) -> None:
    app = open_page("pseudo_labels", run=first.id, tau="0.75")
    _, table, truth = snapshot(first, 20, "unlabeled")
    right, known, last = table.argmax(1) == truth, truth >= 0, table.max(1) >= 0.95
    bars = {trace["name"]: [bar[1] for bar in trace["customdata"]] for trace in figure(app, "pseudo_histogram")["data"]}
    wanted = {"correct": right, "incorrect": known & ~right, "true class unknown": ~known}
    assert {name: sum(counts) for name, counts in bars.items()} == {name: of.sum() for name, of in wanted.items()}
    assert {name: counts[-1] for name, counts in bars.items()} == {
        name: (of & last).sum() for name, of in wanted.items()
    }
    # Of two bars that meet at a number the right one holds it.
    assert sum(counts[15] for counts in bars.values()) == ((table.max(1) >= 0.75) & (table.max(1) < 0.8)).sum()


def test_the_figures_of_pseudo_labels_are_those_of_the_threshold(first: Run, open_page: Open) -> None:
    app = open_page("pseudo_labels", run=first.id, tau="0.75")
    _, table, truth = snapshot(first, 20, "unlabeled")
    selected, known, right = at_threshold(first, 20)
    per_class = [(selected & (table.argmax(1) == k)).sum() for k in range(len(NAMES))]
    assert figure(app, "pseudo_classes")["data"][0]["y"] == per_class
    coverage = [selected[truth == k].mean() for k in range(len(NAMES))]
    assert figure(app, "pseudo_coverage")["data"][0]["y"] == pytest.approx(coverage)
    rate, accuracy = figure(app, "pseudo_sweep")["data"][:2]
    assert rate["y"][rate["x"].index(0.75)] == pytest.approx(selected.mean(), abs=1e-4)
    assert accuracy["y"][75] == pytest.approx((right & selected).sum() / (known & selected).sum(), abs=1e-4)
    over = figure(app, "pseudo_over")["data"][0]
    assert over["x"] == [10, 20]
    assert over["y"] == pytest.approx([at_threshold(first, step)[0].mean() for step in (10, 20)], abs=1e-4)


def test_the_nearest_labeled_images_stand_nearest_first(first: Run, open_page: Open) -> None:
    with np.load(first.folder.path / "snapshots" / "00000020.npz") as file:
        ids, part, features = file["ids"], file["part"], file["embeddings"].astype(np.float64)
    sample = int(ids[part == 1][7])
    app = open_page("pseudo_labels", run=first.id)
    app.session_state["image_panel"] = ("pseudo", first.id, sample)
    app.run()
    own = features[ids == sample][0]
    cosines = features[part == 0] @ own / np.linalg.norm(features[part == 0], axis=1) / np.linalg.norm(own)
    order = np.argsort(-cosines)[:6]
    assert shown_ids(app, "panel_nearest") == ids[part == 0][order].tolist()
    lines = [item["lines"][-1] for item in component(app, "panel_nearest")["items"]]
    assert lines == [f"cos {cosine:.2f}" for cosine in cosines[order]]


# Compare


def test_compare_has_every_runs_own_final_metrics(first: Run, second: Run, open_page: Open) -> None:
    app = open_page("compare", runs=[first.id, second.id])
    table = next(one.value for one in app.dataframe if "training time" in one.value)
    assert list(table)[:3] == ["color", "Test accuracy", "run"]  # on a phone a name is as wide as the table
    assert list(table["run"]) == ["first, seed 5", "second, seed 6"]
    assert list(table["Test accuracy"]) == pytest.approx([43.21, 50.0])
    assert table["Macro F1"][0] == pytest.approx(34.56)
    assert np.isnan(table["Macro F1"][1])
    assert list(table["training time"]) == [formatting.duration(75.0)] * 2 == ["1 min 15 s"] * 2


def test_compare_gives_a_configuration_one_color_on_chips_curves_and_in_the_table(
    first: Run, second: Run, lab: Lab, open_page: Open
) -> None:
    other = known_run(lab, "other", 5, METRICS, CURVES, preset="digits-supervised")
    app = open_page("compare", runs=[first.id, other.id, second.id])
    app.toggle(key="compare_seeds").set_value(False).run()
    lines = [trace["line"] for trace in figure(app, "compare_curves")["data"]]
    painted = [line["color"] for line in lines]
    assert painted[0] == painted[2] != painted[1]
    assert lines[0]["dash"] != lines[2]["dash"]
    chips = next(text for one in app.get("html") if "data-tag-index" in (text := str(getattr(one, "value", ""))))
    for place, color in enumerate(painted):
        assert f'data-tag-index="{place}"] {{ --swatch: light-dark({", ".join(BY_THEME[color])}); }}' in chips
    table = next(one.value for one in app.dataframe if "training time" in one.value)
    squares = [base64.b64decode(uri.split(",")[1]).decode() for uri in table["color"]]
    assert [BY_THEME[color][0] in square for color, square in zip(painted, squares, strict=True)] == [True] * 3


def drawn_curves(app: AppTest) -> dict[str, tuple[list[int], list[float]]]:
    return {trace["name"]: (trace["x"], trace["y"]) for trace in figure(app, "compare_curves")["data"]}


def test_compare_averages_over_seeds_and_shows_each_run_where_that_is_switched_off(
    first: Run, second: Run, open_page: Open
) -> None:
    app = open_page("compare", runs=[first.id, second.id])
    assert drawn_curves(app) == {
        "first, lowest": ([10, 20], [0.1, 0.2]),
        "first, highest": ([10, 20], [0.125, 0.25]),
        "first (2 seeds)": ([10, 20], [0.1125, 0.225]),
    }
    assert (
        "**first**: mean test accuracy 46.6 % over 2 seeds, range 43.2 % to 50.0 %, standard deviation 4.8 points."
        in words(app)
    )
    app.toggle(key="compare_seeds").set_value(False).run()
    assert drawn_curves(app) == {
        "first, seed 5": ([10, 20], [0.1, 0.2]),
        "second, seed 6": ([10, 20], [0.125, 0.25]),
    }


def test_compare_names_the_runs_that_never_logged_a_metric(first: Run, second: Run, open_page: Open) -> None:
    app = open_page("compare", runs=[first.id, second.id])
    assert not [one for one in app.caption if "Not logged by" in one.value]
    app.button_group(key="compare_curve").set_value("loss/labeled").run()
    assert not app.exception
    assert [one.value for one in app.caption if "Not logged by" in one.value] == ["Not logged by: second, seed 6"]
    assert drawn_curves(app) == {"first, seed 5": ([10, 20], [0.2, 0.1])}


def test_the_csv_of_compare_has_each_metric_under_its_name(
    first: Run, second: Run, open_page: Open, downloads: Downloads
) -> None:
    open_page("compare", runs=[first.id, second.id])
    rows = list(csv.DictReader(io.StringIO(downloads["fewlab-runs.csv"])))
    assert [row["run"] for row in rows] == [first.id, second.id]
    assert [row["seed"] for row in rows] == ["5", "6"]
    assert {name: float(value) for name, value in rows[0].items() if "/" in name} == METRICS
    assert {name: value for name, value in rows[1].items() if "/" in name} == {
        "test/accuracy": "0.5",
        "test/macro_f1": "",
        "test/auc_roc": "",
        "test/ece": "0.1",
    }
    assert (rows[0]["name"], rows[0]["state"], float(rows[0]["seconds"])) == ("first", "finished", 75.0)


# Train


def test_the_slider_of_a_method_without_a_threshold_stands_where_half_are_selected(lab: Lab, open_page: Open) -> None:
    run = known_run(lab, "spread", 8, METRICS, CURVES, preset="digits-label-spreading")
    largest = snapshot(run, 20, "unlabeled")[1].max(1)
    app = open_page("pseudo_labels", run=run.id)
    value = app.slider(key=f"pseudo_threshold_{run.id}").value
    assert value == int(100 * float(np.median(largest))) / 100 < 0.95
    assert (largest >= value).mean() >= 0.5 > (largest >= value + 0.011).mean()
    lab.delete(run.id)


def test_the_slider_of_a_run_stands_at_its_last_threshold(lab: Lab, open_page: Open) -> None:
    run = known_run(lab, "moved", 7, METRICS, CURVES)
    for step, value in ((3, 0.8), (9, 0.55)):
        run.folder.add_event("change", step, key="method.threshold", value=value)
    train = open_page("train", run=run.id)
    assert train.slider(key=f"train_live_threshold_{run.id}_0").value == 0.55
    assert "Retrain at 0.55" in [button.label for button in train.button]
    assert open_page("pseudo_labels", run=run.id).slider(key=f"pseudo_threshold_{run.id}").value == 0.55
    lab.delete(run.id)
