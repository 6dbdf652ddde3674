"""Figures that look into runs and across them, as plotly's own classes read them: a misspelt property or a wrong type
fails.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest

from engine.analysis.compare import Band, BudgetPoint
from engine.analysis.metrics import calibration_of
from ui.figures.classification import Bars, grouped_bars
from ui.figures.compare import SeedBand, importance_bars, label_budget_curves, parallel_coordinates, seed_bands
from ui.figures.pseudo_labels import class_counts, class_shares, history_figure, reliability_diagram
from ui.figures.space import Coloring, scatter
from ui.style import colors, formatting

NAMES = ["<b>zero</b>", "one", "two"]


def read(figure: dict[str, Any]) -> go.Figure:
    json.dumps(figure, allow_nan=False)
    return go.Figure(figure)


def test_bars_of_classes_have_one_color_and_their_names_stay_text() -> None:
    figure = read(class_counts("t", NAMES, [5, 0, 10], [0.5, np.nan, 1.0], "kept"))
    bars = figure.data[0]
    assert bars.marker.color == colors.RIGHT  # the axis names the classes
    assert [row[1] for row in bars.customdata] == ["&lt;b&gt;zero&lt;/b&gt;", "one", "two"]
    assert [row[2] for row in bars.customdata] == ["50.0 %", formatting.NOTHING, "100.0 %"]
    assert figure.layout.shapes[0].y0 == 5  # as many as all would have
    shares = read(class_shares("t", NAMES, [0.5, np.nan, 1.0], "above")).data[0]
    assert (shares.marker.color, list(shares.y)) == (colors.RIGHT, [0.5, None, 1.0])
    with pytest.raises(ValueError, match="one entry per class"):
        class_counts("t", NAMES, [1, 2], [0.1, 0.2], "kept")


def test_a_hundred_classes_keep_as_many_names_as_can_be_read() -> None:
    figure = read(class_counts("t", [f"class {k}" for k in range(100)], np.ones(100, int), np.ones(100), "kept"))
    assert len(figure.layout.xaxis.tickvals) <= 24
    assert len(figure.data[0].y) == 100


def test_reliability_has_a_bar_for_each_bin_that_is_not_empty_and_the_error_in_its_name() -> None:
    bins = calibration_of(np.array([0.95, 0.9, 0.55, 0.5]), np.array([True, True, False, True]))
    figure = read(
        reliability_diagram([("before", bins, 0.123, colors.RIGHT), ("after", bins, 0.01, colors.WRONG)], "t")
    )
    assert len(figure.data[0].y) == int((bins.count > 0).sum())
    assert [trace.name for trace in figure.data] == ["before: ECE 12.3 %", "after: ECE 1.0 %"]


def test_an_image_history_has_one_color_for_each_predicted_class() -> None:
    figure = read(history_figure([0, 10, 20], [0.4, 0.8, 0.99], [2, 0, 0], NAMES, 0.9, "t"))
    points = {trace.name: (trace.marker.color, list(trace.x)) for trace in figure.data if trace.mode == "markers"}
    assert points == {"two": (colors.class_color(2), [0]), "&lt;b&gt;zero&lt;/b&gt;": (colors.class_color(0), [10, 20])}


def test_groups_of_bars_say_their_figures_and_leave_out_what_is_not_there() -> None:
    figure = read(
        grouped_bars(
            "t",
            ["1", "all"],
            [Bars("learned", [0.834, None], colors.RIGHT), Bars("pixels", [0.5, 1.0], colors.MUTED, "x")],
        )
    )
    assert list(figure.data[0].text) == ["83", ""]
    assert list(figure.data[1].y) == [0.5, 1.0]
    with pytest.raises(ValueError, match="one share for each of the 2 groups"):
        grouped_bars("t", ["1", "all"], [Bars("learned", [0.8], colors.RIGHT)])


def test_a_band_is_shaded_only_where_there_is_more_than_one_run() -> None:
    many, one = Band([1, 2], [0.5, 0.6], [0.4, 0.5], [0.6, 0.7], 3), Band([1, 2], [0.3, 0.3], [0.3, 0.3], [0.3, 0.3], 1)
    figure = read(
        seed_bands(
            "t",
            [SeedBand("many", many, "#FFA500", "#673801"), SeedBand("one", one, "#0087C3", "#0087C3")],
            percent=True,
            y_title="share",
        )
    )
    assert [trace.fill for trace in figure.data] == [None, "tonexty", None, None]
    assert figure.data[1].fillcolor == "rgba(103, 56, 1, 0.2)"  # as the mean of it is seen
    assert [trace.name for trace in figure.data if trace.showlegend is not False] == ["many (3 seeds)", "one (1 seed)"]


def test_the_axis_of_averaged_accuracies_begins_a_tenth_below_the_lowest_run() -> None:
    band = Band([1, 2, 3, 4, 5], [0.3, 0.8, 0.9, 0.9, 0.9], [0.1, 0.75, 0.85, 0.9, 0.9], [0.5, 0.9, 0.9, 0.9, 0.9], 2)
    bands = [SeedBand("a", band, "#0087C3", "#0087C3")]
    zoomed = seed_bands("t", bands, percent=True, y_title="share", zoom=True)
    assert read(zoomed).layout.yaxis.range[0] == pytest.approx(0.7)
    assert read(seed_bands("t", bands, percent=True, y_title="share")).layout.yaxis.range[0] == 0
    budget = label_budget_curves("t", [("a", [BudgetPoint(1, 0.5, 0.42, 0.7, 3)])])
    assert read(budget).layout.yaxis.range[0] == pytest.approx(0.4)


def test_budgets_reach_from_the_lowest_to_the_highest_run() -> None:
    figure = read(
        label_budget_curves("t", [("a", [BudgetPoint(1, 0.5, 0.4, 0.7, 3), BudgetPoint(10, 0.9, 0.9, 0.9, 1)])])
    )
    assert list(figure.data[0].error_y.array) == pytest.approx([0.2, 0.0])
    assert list(figure.data[0].error_y.arrayminus) == pytest.approx([0.1, 0.0])
    assert list(figure.layout.xaxis.tickvals) == [1, 10]


def test_parallel_axes_keep_numbers_in_order_and_words_apart() -> None:
    figure = read(
        parallel_coordinates(
            "t",
            [("threshold", [0.9, 0.8, 0.95]), ("method", ["b", None, "a"]), ("on", [True, False, True])],
            [0.1, 0.2, 0.3],
        )
    )
    threshold, method, on, accuracy = figure.data[0].dimensions
    assert list(threshold["values"]) == [0.9, 0.8, 0.95]
    assert list(method.ticktext) == ["a", "b", formatting.NOTHING]
    assert list(method["values"]) == [1, 2, 0]
    assert list(on.ticktext) == ["False", "True"]
    said = parallel_coordinates("t", [("on", [True, False])], [0.1, 0.2], say=lambda value, key: f"{key}: {value}")
    assert said["data"][0]["dimensions"][0]["ticktext"] == ["on: False", "on: True"]
    assert said["table"]["rows"] == [[True, 0.1], [False, 0.2]]  # a table keeps the values themselves
    assert list(accuracy["values"]) == [0.1, 0.2, 0.3]


def test_a_setting_that_is_felt_by_its_factors_has_an_axis_of_them() -> None:
    settings = [("optimizer.lr", [0.01, 1.0, 0.1]), ("method.threshold", [0.9, 0.8, 0.95])]
    figure = read(
        parallel_coordinates("t", settings, [0.1, 0.2, 0.3], measure="validation accuracy", log={"optimizer.lr"})
    )
    rate, threshold, accuracy = figure.data[0].dimensions
    assert list(rate["values"]) == pytest.approx([-2, 0, -1])
    assert list(rate.ticktext) == ["0.01", "0.02", "0.05", "0.1", "0.2", "0.5", "1"]
    assert list(rate.tickvals) == pytest.approx(np.log10([0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1]))
    assert threshold.tickvals is None
    assert accuracy.label == "validation accuracy"
    (near,) = read(parallel_coordinates("t", [("lr", [0.3])], [0.1], log={"lr"})).data
    assert list(near.dimensions[0].ticktext) == ["0.3"]
    (called,) = read(parallel_coordinates("t", settings, [0.1, 0.2, 0.3], titles={"optimizer.lr": "rate η"})).data
    assert [axis.label for axis in called.dimensions[:2]] == ["rate η", "threshold"]


def test_importance_has_its_largest_share_on_top() -> None:
    (bars,) = read(importance_bars("t", [("optimizer.lr", 0.75), ("method.threshold", 0.25)])).data
    assert (list(bars.y), list(bars.x), list(bars.text)) == (["lr", "threshold"], [0.75, 0.25], ["75.0 %", "25.0 %"])
    (bars,) = read(importance_bars("t", [("optimizer.lr", 0.75)], {"optimizer.lr": "learning rate η"})).data
    assert list(bars.y) == ["learning rate η"]


def test_a_point_without_a_prediction_has_no_color_of_confidence() -> None:
    coloring = Coloring("confidence", values=np.array([0.2, np.nan, 1.0]))
    points = np.arange(6, dtype=np.float32).reshape(3, 2)
    figure = read(scatter(points, np.arange(3), np.zeros(3, bool), ["a", "b", "c"], coloring, "t"))
    without, confident = figure.data
    assert (without.name, without.marker.color, [one[0] for one in without.customdata]) == (
        "no prediction",
        colors.UNKNOWN,
        [1],
    )
    assert (list(confident.marker.color), [one[0] for one in confident.customdata]) == ([0.2, 1.0], [0, 2])
    assert without.showlegend
    assert not confident.showlegend


def test_many_labeled_images_do_not_hide_the_map() -> None:
    sizes = []
    for count in (20, 100, 400):
        points = np.zeros((count + 1, 2), np.float32)
        labeled = np.arange(count + 1) < count
        coloring = Coloring("class", np.zeros(count + 1, np.int64), ["a"], ["#111111"])
        figure = read(scatter(points, np.arange(count + 1), labeled, [""] * (count + 1), coloring, "t"))
        (size,) = {trace.marker.size for trace in figure.data if trace.marker.symbol == "diamond"}
        sizes.append(size)
    assert sizes[0] > sizes[1] > sizes[2] > 5  # pixels of all others


@pytest.mark.parametrize("flat", [True, False])
def test_a_space_shows_every_point_once_and_fades_what_was_not_selected(flat: bool) -> None:
    points = np.random.default_rng(0).normal(size=(6, 2 if flat else 3)).astype(np.float32)
    groups = np.array([0, 1, 1, 0, 2, 2])
    labeled = np.array([True, False, False, False, False, True])
    coloring = Coloring("class", groups, NAMES, ["#111111", "#222222", "#333333"])
    figure = read(
        scatter(points, np.arange(10, 16), labeled, [f"tip {i}" for i in range(6)], coloring, "t", selected=[11, 15])
    )
    drawn = {
        point[0]: (x, y, trace.marker.symbol, trace.marker.color)
        for trace in figure.data
        for point, x, y in zip(trace.customdata, trace.x, trace.y, strict=True)
    }
    assert sorted(drawn) == list(range(10, 16))
    assert all(row == sample - 10 for trace in figure.data for sample, row in trace.customdata)
    for i in range(6):
        assert drawn[10 + i][:2] == (pytest.approx(points[i, 0], abs=1e-4), pytest.approx(points[i, 1], abs=1e-4))
        assert drawn[10 + i][2:] == ("diamond" if labeled[i] else "circle", coloring.paints[groups[i]])
    if flat:
        assert sorted(trace.customdata[place][0] for trace in figure.data for place in trace.selectedpoints or ()) == [
            11,
            15,
        ]
