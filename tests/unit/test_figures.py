"""Figures are plain JSON whose numbers are the ones put in, with names that stay text and nothing said by color
alone.
"""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from ui.figures.candidate_bars import bars
from ui.figures.classification import confidence_histogram, confusion_matrix
from ui.figures.curves import Mark, Series, line_chart
from ui.figures.frame import Figure, shorten_unique
from ui.figures.probability_bars import probability_bars


def sent(figure: Figure) -> Any:
    """What the browser gets. NaN, numpy numbers and arrays are none of it."""
    return json.loads(json.dumps(figure, allow_nan=False))


def two_curves(**arguments: Any) -> Any:
    x = np.arange(3) * 10
    series = [
        Series("labeled", x, [3.0, 2.0, 1.0], "#0087C3"),
        Series("unlabeled", x, np.array([1.0, np.nan, 2.0]), "#E06000", "dash"),
    ]
    return sent(line_chart("Loss should fall", "loss (nats)", series, **arguments))


def test_a_curve_holds_its_numbers_and_a_missing_one_is_a_gap() -> None:
    figure = two_curves()
    assert [trace["x"] for trace in figure["data"]] == [[0, 10, 20], [0, 10, 20]]
    assert [trace["y"] for trace in figure["data"]] == [[3, 2, 1], [1, None, 2]]
    assert figure["layout"]["title"]["text"] == "Loss should fall"
    assert figure["layout"]["xaxis"]["title"]["text"] == "step"
    assert figure["layout"]["yaxis"]["title"]["text"] == "loss (nats)"


def test_curves_differ_by_more_than_color() -> None:
    labeled, unlabeled = two_curves()["data"]
    assert labeled["line"]["dash"] != unlabeled["line"]["dash"]
    assert labeled["marker"]["symbol"] != unlabeled["marker"]["symbol"]


def test_shares_have_a_fixed_axis_and_the_end_of_the_run_is_known() -> None:
    layout = two_curves(percent=True, x_max=500)["layout"]
    assert layout["yaxis"]["range"] == [0, 1.02]  # the line at 100 % is not cut in half
    assert layout["xaxis"]["range"] == [0, 500]
    assert two_curves()["layout"]["yaxis"]["rangemode"] == "tozero"
    assert "range" not in two_curves()["layout"]["xaxis"]


def test_ghosts_lie_behind_pale_and_share_one_legend_entry() -> None:
    ghosts = [Series("labeled", [0, 1], [2, 2], "#0087C3"), Series("unlabeled", [0, 1], [3, 3], "#E06000")]
    first, second, *front = two_curves(ghosts=ghosts)["data"]
    assert (first["opacity"], first["line"]["dash"], first["showlegend"], first["name"]) == (
        0.55,
        "dot",
        True,
        "previous run",
    )
    assert second["showlegend"] is False
    assert first["legendgroup"] == second["legendgroup"]
    assert [trace["name"] for trace in front] == ["labeled", "unlabeled"]
    assert "opacity" not in front[0]


def test_a_curve_keeps_its_identity_when_ghosts_join() -> None:
    before = [trace["uid"] for trace in two_curves()["data"]]
    after = [trace["uid"] for trace in two_curves(ghosts=[Series("labeled", [0], [1], "#000000")])["data"]]
    assert after[1:] == before
    assert len(set(after)) == 3


def test_a_mark_is_a_line_at_its_step_with_its_label() -> None:
    layout = two_curves(marks=[Mark(120, "threshold 0.90"), Mark(125, "threshold 0.85")])["layout"]
    assert [shape["x0"] for shape in layout["shapes"]] == [shape["x1"] for shape in layout["shapes"]] == [120, 125]
    assert [label["text"] for label in layout["annotations"]] == ["threshold 0.90", "threshold 0.85"]
    # Above the plot, where no curve is, and near ones not over each other.
    assert [(label["y"], label["yanchor"]) for label in layout["annotations"]] == [(1, "bottom")] * 2
    first, second = (label["yshift"] for label in layout["annotations"])
    assert 0 < first < second < layout["meta"]["above"]
    crowd = two_curves(marks=[Mark(100 + 20 * k, f"τ 0.{k}") for k in range(9)], x_max=1000)["layout"]
    assert len(crowd["shapes"]) == 9
    assert [label["text"] for label in crowd["annotations"]] == ["τ 0.6", "τ 0.7", "τ 0.8"]  # the last that fit
    assert len({label["yshift"] for label in crowd["annotations"]}) == 3
    start = two_curves(marks=[Mark(0, "a"), Mark(0, "b")])["layout"]["annotations"]
    assert start[0]["yshift"] != start[1]["yshift"]
    far = two_curves(marks=[Mark(120, "a"), Mark(730, "b"), Mark(1990, "c")], x_max=2000)["layout"]
    assert len({label["yshift"] for label in far["annotations"]}) == 1
    assert [label["xanchor"] for label in far["annotations"]] == ["left", "left", "right"]
    assert "meta" not in two_curves()["layout"]


def test_a_long_curve_is_thinned_and_keeps_its_jump() -> None:
    y = np.zeros(100_000)
    y[77_777] = 5
    trace = sent(line_chart("t", "y", [Series("a", np.arange(100_000), y, "#000000")]))["data"][0]
    assert len(trace["x"]) <= 2000
    assert max(trace["y"]) == 5
    assert trace["mode"] == "lines"


def test_three_curves_of_2000_points_stay_under_100_kilobytes() -> None:
    y = np.random.default_rng(0).random((3, 2000))
    figure = line_chart("t", "y", [Series(str(i), np.arange(2000), y[i], "#000000") for i in range(3)])
    assert len(json.dumps(figure, separators=(",", ":"))) < 100_000


def test_no_points_yet_is_a_figure_too() -> None:
    assert sent(line_chart("t", "y", [Series("a", [], [], "#000000")]))["data"][0]["x"] == []
    assert sent(line_chart("t", "y", []))["data"] == []


def test_the_confidence_histogram_stacks_correct_incorrect_and_unknown_and_draws_the_threshold() -> None:
    figure = sent(confidence_histogram([1, 5], [2, 0], np.array([3, 1]), [0.0, 0.5, 1.0], 0.95))
    assert [(trace["name"], trace["x"], trace["y"]) for trace in figure["data"]] == [
        ("correct", [0.25, 0.75], [1, 5]),
        ("incorrect", [0.25, 0.75], [2, 0]),
        ("true class unknown", [0.25, 0.75], [3, 1]),
    ]
    assert figure["data"][0]["customdata"] == [["0.00–0.50", 1, 0, "correct"], ["0.50–1.00", 5, 1, "correct"]]
    assert figure["layout"]["barmode"] == "stack"
    assert figure["layout"]["xaxis"]["range"] == [0, 1]
    assert figure["layout"]["shapes"][0]["x0"] == 0.95
    assert figure["layout"]["annotations"][0]["text"] == "τ = 0.95"
    assert figure["layout"]["annotations"][0]["yanchor"] == "bottom"  # above the plot, where it covers no bar
    assert len({trace["marker"]["pattern"]["shape"] for trace in figure["data"]}) == 3


def test_where_one_bar_holds_nearly_all_heights_are_square_roots_of_stacks_and_numbers_stay_numbers() -> None:
    figure = sent(confidence_histogram([4, 900], [5, 0], None, [0.0, 0.5, 1.0], None))
    # By hand: a stack of 4 and 5 is 3 high, of which 2 are the 4.
    assert [trace["y"] for trace in figure["data"]] == [[2.0, 30.0], [1.0, 0.0]]
    assert [point[1] for trace in figure["data"] for point in trace["customdata"]] == [4, 900, 5, 0]
    axis = figure["layout"]["yaxis"]
    assert axis["title"]["text"] == "images (square-root scale)"
    assert [round(at**2) for at in axis["tickvals"]] == [int(text.replace(",", "")) for text in axis["ticktext"]]
    assert axis["ticktext"][0] == "0"
    assert axis["ticktext"][-1] == "900"
    assert figure["table"]["rows"][1] == ["correct", 0.5, 1.0, 900]


def test_without_threshold_or_unknown_labels_the_histogram_shows_neither() -> None:
    for unknown in (None, [0, 0]):
        figure = sent(confidence_histogram([1, 5], [2, 0], unknown, [0, 0.5, 1], None))
        assert [trace["name"] for trace in figure["data"]] == ["correct", "incorrect"]
        assert "shapes" not in figure["layout"]


def test_counts_that_do_not_fit_the_edges_are_refused() -> None:
    with pytest.raises(
        ValueError, match=r"counts of 'incorrect' must have 2 entries, one fewer than edges, but have the shape \[3\]"
    ):
        confidence_histogram([1, 2], [1, 2, 3], None, [0, 0.5, 1], None)


def test_probability_bars_show_the_five_largest_with_their_names_as_text() -> None:
    names = ["a", "<b onclick=x>", *"cdefg"]
    html = probability_bars(names, [0.05, 0.5, 0.01, 0.2, 0.1, 0.04, 0.1], decision_threshold=0.8)
    assert "<b" not in html
    rows = ElementTree.fromstring(html)
    said = [(row[0].text, row[2].text) for row in rows]
    assert said == [  # equal ones in the order of the classes
        (names[1], "50.0 %"),
        ("d", "20.0 %"),
        ("e", "10.0 %"),
        ("g", "10.0 %"),
        ("a", "5.0 %"),
    ]
    widths = [row[1][0].attrib["style"].rpartition("width:")[2] for row in rows]
    assert widths == ["50.00%", "20.00%", "10.00%", "10.00%", "5.00%"]
    assert all(row[1][1].attrib["style"].endswith("left:80.00%") for row in rows)
    assert all(len(row[1]) == 1 for row in ElementTree.fromstring(probability_bars(["a"], [1.0])))
    with pytest.raises(ValueError, match=r"one probability per class \(2\), but the shape is \[1\]"):
        probability_bars(["a", "b"], [1.0])


def test_the_confusion_matrix_colors_by_row_share_and_shows_counts() -> None:
    figure = sent(confusion_matrix([[8, 2], [0, 0]], ["cat", "dog"]))
    correct, errors = figure["data"]
    assert correct["z"] == [[0.8, None], [None, 0]]
    assert errors["z"] == [[None, 0.2], [None, None]]
    assert errors["customdata"] == [[None, [0, 1, 2, "20.0 %", "cat", "dog"]], [None, None]]
    assert [(label["x"], label["y"], label["text"]) for label in figure["layout"]["annotations"]] == [
        ("cat", "cat", "8"),
        ("dog", "cat", "2"),
    ]
    # What a download holds: pairs that occur.
    assert figure["table"]["rows"] == [
        ["cat", "cat", 8, 0.8],
        ["cat", "dog", 2, 0.2],
    ]
    assert figure["layout"]["xaxis"]["title"]["text"] == "predicted class"
    assert figure["layout"]["yaxis"]["title"]["text"] == "true class"


def test_a_hundred_classes_give_no_numbers_in_cells_and_equal_names_stay_apart() -> None:
    names = [f"class {i}" for i in range(98)] + ["a very long first class name", "a very long second class name"]
    figure = sent(confusion_matrix(np.eye(100, dtype=int), names))
    assert "annotations" not in figure["layout"]
    assert len(set(figure["data"][0]["x"])) == 100
    assert figure["data"][0]["x"][-2:] == ["a very lon…ss name", "a very lon…ss name (99)"]
    assert figure["data"][0]["customdata"][99][99][4:] == [names[99], names[99]]  # whole under the mouse


def test_cells_can_show_shares_of_the_row_instead_of_counts() -> None:
    figure = sent(confusion_matrix([[8, 2], [0, 5]], ["cat", "dog"], shares=True))
    assert [(label["x"], label["y"], label["text"]) for label in figure["layout"]["annotations"]] == [
        ("cat", "cat", "80%"),
        ("dog", "cat", "20%"),
        ("dog", "dog", "100%"),
    ]


def test_long_names_are_told_apart_by_where_they_differ() -> None:
    names = [f"a kind of mushroom number {k}" for k in (7, 70, 81)]
    assert shorten_unique(names, 12) == ["…7", "…70", "…81"]
    assert shorten_unique(["cat", "dog"], 12) == ["cat", "dog"]
    assert shorten_unique(["abc" * 10], 6) == ["abc…bc"]
    assert shorten_unique(["x" * 30, "x" * 30], 6) == ["xxx…xx", "xxx…xx"]


def test_a_matrix_of_another_size_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"counts must be 3 x 3, one row and column per class, but have the shape \[2, 2\]"
    ):
        confusion_matrix([[1, 0], [0, 1]], ["a", "b", "c"])


def test_names_stay_text_everywhere() -> None:
    name = "<a href='x'>%{y}</a>\n&"
    everything = [
        line_chart(
            name,
            name,
            [Series(name, [0], [0], "#000000")],
            [Series(name, [0], [0], "#000000")],
            [Mark(0, name)],
            ghost_name=name,
        ),
        confusion_matrix([[1]], [name], title=name),
        confidence_histogram([1], [1], None, [0, 1], None, title=name),
    ]
    for figure in everything:
        drawn = json.dumps(
            {
                "layout": figure["layout"],
                "data": [{k: v for k, v in trace.items() if k != "hovertemplate"} for trace in figure["data"]],
            }
        )
        assert "<a" not in drawn
        assert "\\n" not in drawn
        assert "&lt;a" in drawn
        assert all("%{y}" not in trace["hovertemplate"].replace("true: %{y}", "") for trace in figure["data"])


@pytest.mark.parametrize("beside", [False, True])
@pytest.mark.parametrize("name", ["", "3 of a ", "truck of a ", "common grebe of the northern ", "x" * 90 + " "])
def test_names_of_candidates_neither_overlap_nor_leave_the_drawing_and_keep_the_mark_of_the_true_one(
    name: str, beside: bool
) -> None:
    weights = [(f"{name}7 ✓", 0.5), (f"{name}9", 0.3), ("4", 0.2)]
    drawn = ElementTree.fromstring(bars(weights, "#5d5c59", beside=beside))
    letter = 5.4  # px, a mean one of a sans-serif typeface at 11 px
    lines: dict[float, list[tuple[float, float, str]]] = {}
    for text in drawn:
        if text.tag.endswith("text"):
            x, said = float(text.attrib["x"]), str(text.text)
            left = x if text.attrib["text-anchor"] == "start" else x - letter * len(said)
            lines.setdefault(float(text.attrib["y"]), []).append((left, left + letter * len(said), said))
    assert max(lines) <= float(drawn.attrib["height"])
    for line in map(sorted, lines.values()):
        lefts, rights = [left for left, _, _ in line], [right for _, right, _ in line]
        # Between a name and its share is room for a letter: "3" and "95.6 %" never read as one number.
        assert all(left - right >= letter for right, left in zip(rights, lefts[1:], strict=False))
        assert (lefts[0] >= 0, rights[-1] <= float(drawn.attrib["width"]) + 1e-6) == (True, True)
    texts = [said for line in map(sorted, lines.values()) for _, _, said in line]
    assert texts[0].endswith("7 ✓")
    assert len(lines) == (1 if beside and not name else 3)
    assert [one for one in texts if one.endswith("%")] == ["50.0 %", "30.0 %", "20.0 %"]
    filled = [float(bar.attrib["width"]) for bar in drawn if bar.tag.endswith("rect")]
    assert [part / whole for whole, part in zip(filled[::2], filled[1::2], strict=True)] == pytest.approx(
        [0.5, 0.3, 0.2], abs=2e-3
    )
