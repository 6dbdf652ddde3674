"""Figures of a classifier's predictions: confidence, confusion, bars in groups."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ui.figures.frame import (
    PERCENT_TICKS,
    Figure,
    bar_pattern,
    csv_table,
    framed,
    json_numbers,
    line_label,
    plain_text,
    shorten,
    shorten_unique,
    trace_uid,
    unique_names,
    vertical_line,
    with_labels_above,
)
from ui.style import colors, formatting

CELLS_UP_TO = 15  # classes; beyond, numbers would not fit into a confusion matrix's cells
# Of a cell by its share of the row; never so strong that the number in it could not be read in either theme.
_ALPHAS = ((0, 0.0), (0.01, 0.15), (0.05, 0.3), (0.2, 0.45), (1, 0.6))
LAYERS = ("correct", "incorrect", "true class unknown")
_UNKNOWN = LAYERS[2]
_NEARLY_ALL = 0.6  # of the images in one bar
_FIGURES_UP_TO = 8  # groups of bars; beyond, the figures above them would run into each other


def confidence_histogram(
    correct: npt.ArrayLike,
    incorrect: npt.ArrayLike,
    unknown: npt.ArrayLike | None,
    edges: npt.ArrayLike,
    threshold: float | None,
    *,
    title: str = "Confidence histogram: used right of τ",
    x_title: str = "confidence (largest probability)",
) -> Figure:
    """Images per range of confidence, stacked: correct, incorrect, and (hatched) those whose true class is unknown. On
    a square-root scale where one bar holds nearly all, so that the others can be seen.

    correct, incorrect, unknown: int [B]. edges: [B + 1], ascending. threshold: τ, drawn as a labeled line unless None.
    A click on a bar gives `customdata`: its range in words, its count, its number, its layer.
    """
    borders = np.asarray(edges, np.float64)
    middles, widths = (borders[:-1] + borders[1:]) / 2, np.diff(borders)
    ranges = [f"{low:.2f}–{high:.2f}" for low, high in itertools.pairwise(borders)]
    layers = [
        (LAYERS[0], correct, colors.RIGHT, ""),
        (LAYERS[1], incorrect, colors.WRONG, "/"),
        (_UNKNOWN, unknown, colors.UNKNOWN, "x"),
    ]
    traces: list[dict[str, Any]] = []
    for name, counts, color, hatching in layers:
        if counts is None:
            continue
        values = np.asarray(counts)
        if values.shape != middles.shape:
            raise ValueError(
                f"counts of {name!r} must have {len(middles)} entries, one fewer than edges, but have the shape"
                f" {list(values.shape)}"
            )
        if name == _UNKNOWN and not values.any():
            continue
        traces.append(
            {
                "type": "bar",
                "name": name,
                "uid": trace_uid("layer", name),
                "x": middles.round(6).tolist(),
                "y": values,
                "width": widths.round(6).tolist(),
                "marker": {
                    "color": color,
                    "pattern": bar_pattern(hatching, color),
                    "line": {"width": 0},
                },
                "customdata": [
                    [between, count, number, name]
                    for number, (between, count) in enumerate(zip(ranges, values.tolist(), strict=True))
                ],
                "hovertemplate": "%{fullData.name}: %{customdata[1]:,d} at confidence %{customdata[0]}<extra></extra>",
            }
        )
    rows = [
        [trace["name"], float(low), float(high), count]
        for trace in traces
        for low, high, count in zip(borders[:-1], borders[1:], trace["y"].tolist(), strict=True)
    ]
    ticks = _square_roots(traces)
    figure = framed(traces, title, x_title, "images")
    layout = figure["layout"]
    layout.update({"barmode": "stack", "bargap": 0})
    layout["xaxis"].update({"range": [float(borders[0]), float(borders[-1])], "tickformat": ".2~f"})
    layout["yaxis"]["rangemode"] = "tozero"
    if ticks:
        layout["yaxis"].update({"tickvals": [count**0.5 for count in ticks], "ticktext": [f"{n:,}" for n in ticks]})
        layout["yaxis"]["title"]["text"] = "images (square-root scale)"
    figure["table"] = csv_table(["true class", "from", "to", "images"], rows)
    if threshold is not None:
        layout["shapes"] = [vertical_line(threshold, width=2)]
        middle = (borders[0] + borders[-1]) / 2
        with_labels_above(figure, [line_label(threshold, f"τ = {threshold:.2f}", left=bool(threshold > middle))])
    return figure


def _square_roots(traces: list[dict[str, Any]]) -> list[int]:
    """Turn the counts of stacked bars into heights, those of a square-root scale where one bar holds nearly all; the
    counts that such a scale is to show, else none. A stack's height is the root of its sum, not the sum of roots.
    """
    below = np.zeros(len(traces[0]["y"]))
    total = sum(trace["y"] for trace in traces)
    highest = float(total.max(initial=0))
    on_roots = highest > _NEARLY_ALL * total.sum()
    for trace in traces:
        above = below + trace["y"]
        trace["y"] = (np.sqrt(above) - np.sqrt(below)).round(4).tolist() if on_roots else trace["y"].tolist()
        below = above
    if not on_roots:
        return []
    rounded = [float(f"{highest * share:.0e}") for share in (1 / 16, 1 / 4, 9 / 16, 1)]
    return sorted({0, *(int(count) for count in rounded if 1 <= count <= highest)})


@dataclass(frozen=True, slots=True)
class Bars:
    """One bar in every group: shares [G], None where there is none; pattern: plotly's hatching, so that color is not
    alone.
    """

    name: str
    shares: Sequence[float | None]
    color: str
    pattern: str = ""


def grouped_bars(title: str, groups: Sequence[str], bars: Sequence[Bars], *, x_title: str = "") -> Figure:
    """Accuracies side by side in groups, each with its figure above it. Raises ValueError where a bar's shares are not
    one per group.
    """
    traces = []
    for one in bars:
        if len(one.shares) != len(groups):
            raise ValueError(
                f"{one.name!r} must have one share for each of the {len(groups)} groups, but has {len(one.shares)}"
            )
        shares = json_numbers(np.array([math.nan if share is None else share for share in one.shares], np.float64))
        traces.append(
            {
                "type": "bar",
                "name": plain_text(one.name),
                "uid": trace_uid("bars", one.name),
                "x": [plain_text(group) for group in groups],
                "y": shares,
                "marker": {"color": one.color, "pattern": bar_pattern(one.pattern, one.color)},
                "text": [
                    "" if share is None or len(groups) > _FIGURES_UP_TO else f"{share * 100:.0f}" for share in shares
                ],
                "textposition": "outside",
                "cliponaxis": False,
                "hovertemplate": "%{fullData.name}, %{x}: %{y:.1%}<extra></extra>",
            }
        )
    figure = framed(traces, title, x_title, "accuracy")
    figure["layout"]["barmode"] = "group"
    figure["layout"]["xaxis"].update({"type": "category", "showgrid": False})
    figure["layout"]["yaxis"].update({"range": [0, 1.08], **PERCENT_TICKS})
    return figure


def confusion_matrix(
    counts: npt.ArrayLike,
    classes: Sequence[str],
    *,
    shares: bool = False,
    chosen: tuple[int, int] | None = None,
    title: str = "Confusion matrix: errors are off the diagonal",
) -> Figure:
    """Rows are true classes, columns predicted ones. counts: int [K, K]. Color is the share of the row; blue the
    diagonal, orange the errors.

    Small shares are drawn stronger than in proportion, because a class confused once in fifty is worth seeing. Counts,
    or with `shares` shares of the row, stand in the cells up to CELLS_UP_TO classes; any number of classes is legible
    by hovering and zooming. A click on a cell gives `customdata` [true index, predicted index]. chosen: the cell that
    is framed.
    """
    counts_of = np.asarray(counts)
    k = len(classes)
    if counts_of.shape != (k, k):
        raise ValueError(
            f"counts must be {k} x {k}, one row and column per class, but have the shape {list(counts_of.shape)}"
        )
    of_row = counts_of / np.maximum(counts_of.sum(1, keepdims=True), 1)
    names = unique_names([plain_text(name) for name in shorten_unique(classes, 18)])
    diagonal = np.eye(k, dtype=bool)
    whole = unique_names([plain_text(shorten(name, 60)) for name in classes])  # under the mouse there is room

    def cell(true: int, predicted: int) -> list[Any]:
        share = formatting.percent(float(of_row[true, predicted]))
        return [true, predicted, int(counts_of[true, predicted]), share, whole[true], whole[predicted]]

    traces = []
    for name, where, color in (("correct", diagonal, "0, 135, 195"), ("errors", ~diagonal, "224, 96, 0")):
        shown = where & (counts_of > 0) if name == "errors" else where
        traces.append(
            {
                "type": "heatmap",
                "name": name,
                "uid": trace_uid("layer", name),
                "x": names,
                "y": names,
                "z": [[round(float(of_row[i, j]), 4) if shown[i, j] else None for j in range(k)] for i in range(k)],
                "zmin": 0,
                "zmax": 1,
                "colorscale": [[share, f"rgba({color}, {alpha})"] for share, alpha in _ALPHAS],
                "showscale": False,
                "xgap": 1 if k <= 30 else 0,
                "ygap": 1 if k <= 30 else 0,
                "customdata": [[cell(i, j) if shown[i, j] else None for j in range(k)] for i in range(k)],
                "hoverongaps": False,
                "hovertemplate": (
                    "true: %{customdata[4]}<br>predicted: %{customdata[5]}<br>%{customdata[2]:,d} images,"
                    " %{customdata[3]} of this true class<extra></extra>"
                ),
            }
        )
    figure = framed(traces, title, "predicted class", "true class")
    occupied = [(i, j) for i in range(k) for j in range(k) if counts_of[i, j]]
    rows = [[classes[i], classes[j], int(counts_of[i, j]), round(float(of_row[i, j]), 6)] for i, j in occupied]
    figure["table"] = csv_table(["true class", "predicted class", "images", "share of the true class"], rows)
    layout = figure["layout"]
    layout["showlegend"] = False
    for axis in ("xaxis", "yaxis"):
        layout[axis].update(
            {
                "type": "category",
                "categoryorder": "array",
                "categoryarray": names,
                "showgrid": False,
                "ticks": "",
                "tickangle": 0,
            }
        )
    if chosen is not None:
        true, predicted = chosen
        ends = {"x0": predicted - 0.5, "x1": predicted + 0.5, "y0": true - 0.5, "y1": true + 0.5}
        frame = {"color": colors.MUTED, "width": 3}
        layout["shapes"] = [{"type": "rect", "xref": "x", "yref": "y", "line": frame, **ends}]
    layout["xaxis"]["tickangle"] = -60 if max(map(len, names), default=0) > 3 else 0
    layout["yaxis"]["autorange"] = "reversed"
    # Annotations instead of the traces' own text: that one chooses its color as if the cells were opaque.
    if k <= CELLS_UP_TO:
        text = {(i, j): f"{of_row[i, j]:.0%}" if shares else f"{counts_of[i, j]:,d}" for i, j in occupied}
        layout["annotations"] = [
            {"x": names[j], "y": names[i], "text": text[i, j], "showarrow": False, "font": {"size": 11}}
            for i, j in occupied
        ]
    return figure
