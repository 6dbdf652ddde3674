"""Figures of a run's predictions: classes, calibration, the history of one image. Pure functions like those of
ui.figures.curves.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from engine.analysis.metrics import CalibrationBins
from ui.figures.frame import (
    PERCENT_TICKS,
    SYMBOLS,
    Figure,
    csv_table,
    framed,
    horizontal_line,
    json_numbers,
    plain_text,
    shorten,
    shorten_unique,
    trace_uid,
)
from ui.style import colors, formatting

RELIABILITY = "Reliability diagram: bars below the diagonal are overconfident"


def class_counts(
    title: str, classes: Sequence[str], counts: npt.ArrayLike, shares: npt.ArrayLike, share_means: str
) -> Figure:
    """One bar per class, and a line where all would be alike, which the title is to name. counts: int [K].

    shares: float [K] or NaN, shown with the bar when it is pointed at; share_means: what they are, in words.
    """
    values, parts = np.asarray(counts), np.asarray(shares, np.float64)
    if values.shape != (len(classes),) or parts.shape != values.shape:
        raise ValueError(
            f"counts and shares must have one entry per class ({len(classes)}), but have the shapes"
            f" {list(values.shape)} and {list(parts.shape)}"
        )
    hover = f"%{{customdata[1]}}: %{{y:,d}}<br>{plain_text(share_means)}: %{{customdata[2]}}<extra></extra>"
    figure = _class_bars(title, classes, values.tolist(), parts, "pseudo-labels", hover, "images")
    figure["table"] = csv_table(
        ["class", "images", share_means], zip(classes, values.tolist(), json_numbers(parts), strict=True)
    )
    layout = figure["layout"]
    layout["yaxis"]["rangemode"] = "tozero"
    if values.sum():
        even = float(values.sum() / len(classes))
        layout["shapes"] = [horizontal_line(even)]
    return figure


def class_shares(title: str, classes: Sequence[str], shares: npt.ArrayLike, share_means: str) -> Figure:
    """One bar per class from 0 to 100 %. shares: float [K], NaN where there is nothing to take a share of."""
    parts = np.asarray(shares, np.float64)
    hover = f"%{{customdata[1]}}: %{{customdata[2]}} {plain_text(share_means)}<extra></extra>"
    figure = _class_bars(title, classes, json_numbers(parts), parts, share_means, hover, "share")
    figure["table"] = csv_table(["class", share_means], zip(classes, json_numbers(parts), strict=True))
    figure["layout"]["yaxis"].update({"range": [0, 1.02], **PERCENT_TICKS})
    return figure


def _class_bars(
    title: str,
    classes: Sequence[str],
    heights: Sequence[float | None],
    shares: npt.NDArray[np.float64],
    name: str,
    hover: str,
    y_title: str,
) -> Figure:
    """customdata of a bar: its class as a number and by name, and its share in words."""
    bars = {
        "type": "bar",
        "name": plain_text(name),
        "uid": "classes",
        "x": list(range(len(classes))),
        "y": list(heights),
        "marker": {"color": colors.RIGHT},
        "customdata": [
            [k, plain_text(called), formatting.percent(float(share))]
            for k, (called, share) in enumerate(zip(classes, shares, strict=True))
        ],
        "hovertemplate": hover,
    }
    figure = framed([bars], title, "", y_title)
    layout = figure["layout"]
    layout["showlegend"] = False
    shown = range(0, len(classes), max(1, -(-len(classes) // 24)))  # as many names as can be read
    names = shorten_unique(classes, 12)
    layout["xaxis"].update(
        {
            "tickvals": list(shown),
            "ticktext": [plain_text(names[k]) for k in shown],
            "showgrid": False,
            "range": [-0.6, len(classes) - 0.4],
        }
    )
    return figure


def reliability_diagram(tables: Sequence[tuple[str, CalibrationBins, float, str]], title: str) -> Figure:
    """Accuracy of the predictions of each confidence, against the diagonal of perfect calibration.

    tables: (name, bins, expected calibration error, color) each; the bars of the first, and points of any further. A
    click gives `customdata`: the range in words, count, mean confidence, the number of the bin, and that of the table.
    """
    traces = []
    for number, (name, bins, error, color) in enumerate(tables):
        there = bins.count > 0
        middles, widths = (bins.edges[:-1] + bins.edges[1:]) / 2, np.diff(bins.edges)
        about = {
            "name": plain_text(f"{name}: ECE {formatting.percent(error)}"),
            "uid": trace_uid("reliability", name),
            "customdata": [
                [f"{low:.2f}–{high:.2f}", int(count), formatting.percent(float(mean)), int(at), number]
                for low, high, count, mean, at in zip(
                    bins.edges[:-1][there],
                    bins.edges[1:][there],
                    bins.count[there],
                    bins.confidence[there],
                    np.flatnonzero(there),
                    strict=True,
                )
            ],
            "hovertemplate": (
                "confidence %{customdata[0]}: accuracy %{y:.1%}, mean confidence %{customdata[2]},"
                " %{customdata[1]:,d} images<extra></extra>"
            ),
            "y": json_numbers(bins.accuracy[there].astype(np.float64)),
        }
        if number == 0:
            marker = {"color": color, "opacity": 0.75}
            traces.append(
                {
                    **about,
                    "type": "bar",
                    "x": middles[there].round(6).tolist(),
                    "width": widths[there].round(6).tolist(),
                    "marker": marker,
                }
            )
        else:
            line = {"color": color, "width": 2, "dash": "dash"}
            traces.append(
                {
                    **about,
                    "type": "scatter",
                    "mode": "lines+markers",
                    "x": json_numbers(bins.confidence[there].astype(np.float64)),
                    "line": line,
                    "marker": {"symbol": "diamond", "size": 8},
                }
            )
    columns = ["of", "confidence from", "to", "images", "mean confidence", "accuracy"]
    rows = [
        [name, float(low), float(high), int(count), *json_numbers(np.array([mean, accuracy], np.float64))]
        for name, bins, _, _ in tables
        for low, high, count, mean, accuracy in zip(
            bins.edges[:-1], bins.edges[1:], bins.count, bins.confidence, bins.accuracy, strict=True
        )
    ]
    diagonal = {
        "type": "line",
        "xref": "x",
        "yref": "y",
        "x0": 0,
        "x1": 1,
        "y0": 0,
        "y1": 1,
        "line": {"color": colors.MUTED, "width": 1.5, "dash": "dash"},
    }
    figure = framed(traces, title, "confidence", "accuracy")
    figure["table"] = csv_table(columns, rows)
    figure["layout"]["shapes"] = [diagonal]
    figure["layout"]["bargap"] = 0.05
    figure["layout"]["xaxis"].update({"range": [0, 1], "tickformat": ".2~f"})
    figure["layout"]["yaxis"].update({"range": [0, 1.02], **PERCENT_TICKS})
    return figure


def history_figure(
    steps: npt.ArrayLike,
    confidence: npt.ArrayLike,
    labels: npt.ArrayLike,
    classes: Sequence[str],
    threshold: float | None,
    title: str,
) -> Figure:
    """One image through the evaluations: the confidence, each point in the color of the predicted class. All arrays
    [E].
    """
    at, confidences, predicted = np.asarray(steps), np.asarray(confidence, np.float64), np.asarray(labels)
    line = {
        "type": "scatter",
        "mode": "lines",
        "uid": "history",
        "x": at.tolist(),
        "y": json_numbers(confidences),
        "line": {"color": colors.MUTED, "width": 1},
        "showlegend": False,
        "hoverinfo": "skip",
    }
    traces = [line]
    for k in sorted(set(predicted.tolist())):
        mine = predicted == k
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": plain_text(shorten(classes[k], 20)),
                "uid": trace_uid("predicted", str(k)),
                "x": at[mine].tolist(),
                "y": json_numbers(confidences[mine]),
                "marker": {
                    "color": colors.class_color(k),
                    "size": 9,
                    "symbol": SYMBOLS[len(traces) % len(SYMBOLS)],
                },
                "hovertemplate": "step %{x:,d}: %{fullData.name}, confidence %{y:.1%}<extra></extra>",
            }
        )
    dashed = "" if threshold is None else f", dashed: τ = {threshold:.2f}"
    figure = framed(traces, f"{title}{dashed}", "step", "confidence")
    layout = figure["layout"]
    layout["xaxis"]["rangemode"] = "tozero"
    layout["yaxis"].update({"range": [0, 1.05], **PERCENT_TICKS})
    if threshold is not None:
        layout["shapes"] = [horizontal_line(threshold)]
    return figure
