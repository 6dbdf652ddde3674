"""Numbers -> plotly figures as plain dicts, for ui.components.live_figure. Pure functions; neither plotly nor Streamlit
is imported.

Text colors, grid and fonts are left out on purpose: the figure takes them from the light or dark theme where it is
drawn. Every name that may come from a file (classes, runs) goes through `plain`, because plotly reads <b> and <a> in
texts as markup.
"""

from __future__ import annotations

import html
import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.analysis.curves import downsample
from ui.style import colors as theme

Figure = dict[str, Any]

_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "cross")
_MARKERS_UP_TO = 60  # points; beyond, markers would merge into a band
CELLS_UP_TO = 15  # classes; beyond, numbers would not fit into a confusion matrix's cells
_FIGURES_UP_TO = 8  # groups of bars; beyond, the figures above them would run into each other
PERCENT_TICKS = {
    "nticks": 6,
    "tickformatstops": [{"dtickrange": [None, 0.0099], "value": ".1%"}, {"dtickrange": [0.0099, None], "value": ".0%"}],
}


@dataclass(frozen=True, slots=True)
class Series:
    """One curve: x (steps, ascending) and y, both [N]; NaN in y is a gap."""

    name: str
    x: npt.ArrayLike
    y: npt.ArrayLike
    color: str
    dash: theme.Dash = "solid"


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened at a step: "threshold 0.90"."""

    step: float
    label: str


def curves(
    title: str,
    y_title: str,
    series: Sequence[Series],
    ghosts: Sequence[Series] = (),
    marks: Sequence[Mark] = (),
    *,
    percent: bool = False,
    x_max: float | None = None,
    x_title: str = "step",
    x_format: str = ",d",
    markers: bool = True,
    ghost_name: str = "previous run",
) -> Figure:
    """Curves over training steps, at most 2,000 points each with their extremes kept.

    ghosts: the curves of another run, thin, pale and dotted behind; one legend entry, `ghost_name`, shows or hides all
    of them. marks: vertical lines with a label. percent: y is a share, shown on a fixed axis from 0 to 100 %. x_max:
    where the run will end. x_format: how the tip over a point writes x. markers: few points are marked one by one.
    """
    traces = []
    for index, ghost in enumerate(ghosts):
        line = {"color": ghost.color, "width": 1.5, "dash": "dot"}
        legend = {"legendgroup": "ghosts", "showlegend": index == 0, "legendrank": 2000}
        name = plain(ghost_name) if index == 0 else plain(f"{ghost.name}, {ghost_name}")
        hover = f"{_no_template(plain(f'{ghost.name}, {ghost_name}'))}: %{{y{_hover_format(percent)}}}<extra></extra>"
        traces.append(
            {
                **_line(ghost, index, line),
                **legend,
                "name": name,
                "opacity": 0.55,
                "hovertemplate": hover,
                "uid": uid("ghost", ghost.name),
            }
        )
    for index, one in enumerate(series):
        line = {"color": one.color, "width": 2, "dash": one.dash}
        hover = f"%{{fullData.name}}: %{{y{_hover_format(percent)}}}<extra></extra>"
        traces.append(
            {
                **_line(one, index, line, markers),
                "name": plain(one.name),
                "hovertemplate": hover,
                "uid": uid("series", one.name),
            }
        )

    figure = framed(traces, title, x_title, y_title)
    layout = figure["layout"]
    layout["hovermode"] = "x unified"
    layout["xaxis"].update({"range": [0, x_max]} if x_max else {"rangemode": "tozero"})
    layout["xaxis"].update({"spikethickness": 1, "spikedash": "dot", "spikecolor": theme.MUTED})
    layout["xaxis"]["unifiedhovertitle"] = {"text": f"{_no_template(plain(x_title))} %{{x:{x_format}}}"}
    layout["yaxis"].update({"range": [0, 1.02], **PERCENT_TICKS} if percent else {"rangemode": "tozero"})
    layout["shapes"] = [vertical_line(mark.step) for mark in marks]
    layout["annotations"] = [
        line_label(mark.step, mark.label, row=index % 3, left=x_max is not None and mark.step > 0.8 * x_max)
        for index, mark in enumerate(marks)
    ]
    return figure


def confidence_histogram(
    counts_right: npt.ArrayLike,
    counts_wrong: npt.ArrayLike,
    counts_unknown: npt.ArrayLike | None,
    edges: npt.ArrayLike,
    threshold: float | None,
    *,
    title: str = "How sure the model is: guesses right of the line are used",
) -> Figure:
    """Pictures per range of confidence, stacked: right, wrong, and (hatched) those whose true class is hidden.

    counts_*: int [B]. edges: [B + 1], ascending. threshold: τ, drawn as a labeled line unless None.
    """
    borders = np.asarray(edges, np.float64)
    middles, widths = (borders[:-1] + borders[1:]) / 2, np.diff(borders)
    ranges = [f"{low:.2f}–{high:.2f}" for low, high in itertools.pairwise(borders)]
    layers = [
        ("right", counts_right, theme.RIGHT, ""),
        ("wrong", counts_wrong, theme.WRONG, "/"),
        ("truth hidden", counts_unknown, theme.UNKNOWN, "x"),
    ]
    traces = []
    for name, counts, color, hatching in layers:
        if counts is None:
            continue
        values = np.asarray(counts)
        if values.shape != middles.shape:
            raise ValueError(
                f"counts of {name!r} must have {len(middles)} entries, one fewer than edges, but have the shape"
                f" {list(values.shape)}"
            )
        if name == "truth hidden" and not values.any():
            continue
        traces.append(
            {
                "type": "bar",
                "name": name,
                "uid": uid("layer", name),
                "x": middles.round(6).tolist(),
                "y": values.tolist(),
                "width": widths.round(6).tolist(),
                "marker": {
                    "color": color,
                    "pattern": {
                        "shape": hatching,
                        "size": 7,
                        "solidity": 0.3,
                        "fgcolor": "rgba(255, 255, 255, 0.75)",
                        "bgcolor": color,
                    },
                    "line": {"width": 0},
                },
                "customdata": ranges,
                "hovertemplate": "%{fullData.name}: %{y:,d} at confidence %{customdata}<extra></extra>",
            }
        )
    figure = framed(traces, title, "confidence (largest probability)", "pictures")
    layout = figure["layout"]
    layout.update({"barmode": "stack", "bargap": 0})
    layout["xaxis"].update({"range": [float(borders[0]), float(borders[-1])], "tickformat": ".2~f"})
    layout["yaxis"]["rangemode"] = "tozero"
    if threshold is not None:
        layout["shapes"] = [vertical_line(threshold, width=2)]
        middle = (borders[0] + borders[-1]) / 2
        layout["annotations"] = [line_label(threshold, f"τ = {threshold:.2f}", left=bool(threshold > middle))]
    return figure


@dataclass(frozen=True, slots=True)
class Bars:
    """One bar in every group: shares [G], None where there is none; pattern: plotly's hatching, so that color is not
    alone.
    """

    name: str
    shares: Sequence[float | None]
    color: str
    pattern: str = ""


def grouped_bars(
    title: str, groups: Sequence[str], bars: Sequence[Bars], *, y_title: str = "share right", x_title: str = ""
) -> Figure:
    """Shares side by side in groups, each with its figure above it. Raises ValueError where a bar's shares are not one
    per group.
    """
    traces = []
    for one in bars:
        if len(one.shares) != len(groups):
            raise ValueError(
                f"{one.name!r} must have one share for each of the {len(groups)} groups, but has {len(one.shares)}"
            )
        shares = numbers(np.array([math.nan if share is None else share for share in one.shares], np.float64))
        traces.append(
            {
                "type": "bar",
                "name": plain(one.name),
                "uid": uid("bars", one.name),
                "x": [plain(group) for group in groups],
                "y": shares,
                "marker": {
                    "color": one.color,
                    "pattern": {
                        "shape": one.pattern,
                        "size": 7,
                        "solidity": 0.3,
                        "fgcolor": "rgba(255, 255, 255, 0.75)",
                        "bgcolor": one.color,
                    },
                },
                "text": [
                    "" if share is None or len(groups) > _FIGURES_UP_TO else f"{share * 100:.0f}" for share in shares
                ],
                "textposition": "outside",
                "cliponaxis": False,
                "hovertemplate": "%{fullData.name}, %{x}: %{y:.1%}<extra></extra>",
            }
        )
    figure = framed(traces, title, x_title, y_title)
    figure["layout"]["barmode"] = "group"
    figure["layout"]["xaxis"].update({"type": "category", "showgrid": False})
    figure["layout"]["yaxis"].update({"range": [0, 1.08], **PERCENT_TICKS})
    return figure


def probability_bars(
    classes: Sequence[str],
    probabilities: npt.ArrayLike,
    *,
    top: int = 5,
    sure_from: float | None = None,
    title: str = "What it could be",
) -> Figure:
    """The `top` most probable classes, the first one uppermost. probabilities: [K]. sure_from: the confidence below
    which the answer is "not sure".
    """
    values = np.asarray(probabilities, np.float64)
    if values.shape != (len(classes),):
        raise ValueError(
            f"there must be one probability per class ({len(classes)}), but the shape is {list(values.shape)}"
        )
    order = np.argsort(-values, kind="stable")[:top]
    shown = [float(values[index]) for index in order]
    bars = {
        "type": "bar",
        "orientation": "h",
        "uid": "probabilities",
        "x": [round(value, 6) for value in shown],
        "y": list(range(len(shown))),
        "marker": {"color": [theme.class_color(int(index)) for index in order]},
        "text": [theme.percent(value) for value in shown],
        "textposition": "outside",
        "cliponaxis": False,
        "customdata": [plain(classes[index]) for index in order],
        "hovertemplate": "%{customdata}: %{text}<extra></extra>",
    }
    figure = framed([bars], title, "probability", "")
    layout = figure["layout"]
    layout["showlegend"] = False
    layout["margin"]["r"] = 56
    layout["xaxis"].update({"range": [0, 1], "fixedrange": True, **PERCENT_TICKS})
    names = [plain(shortened(classes[index], 20)) for index in order]
    layout["yaxis"].update(
        {
            "autorange": "reversed",
            "tickvals": list(range(len(shown))),
            "ticktext": names,
            "showgrid": False,
            "fixedrange": True,
        }
    )
    layout["bargap"] = 0.3
    if sure_from is not None:
        layout["shapes"] = [{**vertical_line(sure_from), "layer": "below"}]
        layout["annotations"] = [
            line_label(sure_from, f"sure from {theme.percent(sure_from)}", left=sure_from > 0.5, below=True)
        ]
    return figure


def confusion_matrix(
    counts: npt.ArrayLike,
    classes: Sequence[str],
    *,
    shares: bool = False,
    title: str = "What is taken for what: mistakes lie off the diagonal",
) -> Figure:
    """Rows are true classes, columns predicted ones. counts: int [K, K]. Color is the share of the row; blue the
    diagonal, orange the mistakes.

    Small shares are drawn stronger than in proportion, because a class confused once in fifty is worth seeing. Counts,
    or with `shares` shares of the row, stand in the cells up to CELLS_UP_TO classes; any number of classes is legible
    by hovering and zooming. A click on a cell gives `customdata` [true index, predicted index].
    """
    counts_of = np.asarray(counts)
    k = len(classes)
    if counts_of.shape != (k, k):
        raise ValueError(
            f"counts must be {k} x {k}, one row and column per class, but have the shape {list(counts_of.shape)}"
        )
    of_row = counts_of / np.maximum(counts_of.sum(1, keepdims=True), 1)
    names = unique([plain(name) for name in shortened_apart(classes, 18)])
    diagonal = np.eye(k, dtype=bool)
    cells = [
        [
            [true, predicted, int(counts_of[true, predicted]), theme.percent(float(of_row[true, predicted]))]
            for predicted in range(k)
        ]
        for true in range(k)
    ]
    traces = []
    for name, where, color in (("right", diagonal, "0, 135, 195"), ("mistaken", ~diagonal, "224, 96, 0")):
        shown = where & (counts_of > 0) if name == "mistaken" else where
        traces.append(
            {
                "type": "heatmap",
                "name": name,
                "uid": uid("layer", name),
                "x": names,
                "y": names,
                "z": [[round(float(of_row[i, j]), 4) if shown[i, j] else None for j in range(k)] for i in range(k)],
                "zmin": 0,
                "zmax": 1,
                "colorscale": [
                    [share, f"rgba({color}, {alpha})"]
                    for share, alpha in ((0, 0.0), (0.01, 0.2), (0.05, 0.4), (0.2, 0.65), (1, 1.0))
                ],
                "showscale": False,
                "xgap": 1 if k <= 30 else 0,
                "ygap": 1 if k <= 30 else 0,
                "customdata": cells,
                "hoverongaps": False,
                "hovertemplate": (
                    "true: %{y}<br>predicted: %{x}<br>%{customdata[2]:,d} pictures, %{customdata[3]} of this true"
                    " class<extra></extra>"
                ),
            }
        )
    figure = framed(traces, title, "predicted class", "true class")
    found = [(i, j) for i in range(k) for j in range(k) if counts_of[i, j]]
    rows = [[classes[i], classes[j], int(counts_of[i, j]), round(float(of_row[i, j]), 6)] for i, j in found]
    figure["table"] = table(["true class", "predicted class", "pictures", "share of the true class"], rows)
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
    layout["xaxis"]["tickangle"] = -60 if max(map(len, names), default=0) > 3 else 0
    layout["yaxis"]["autorange"] = "reversed"
    if (
        k <= CELLS_UP_TO
    ):  # annotations instead of the traces' own text: that one chooses its color as if the cells were opaque
        text = {(i, j): f"{of_row[i, j]:.0%}" if shares else f"{counts_of[i, j]:,d}" for i, j in found}
        layout["annotations"] = [
            {"x": names[j], "y": names[i], "text": text[i, j], "showarrow": False, "font": {"size": 11}}
            for i, j in found
        ]
    return figure


def plain(text: str) -> str:
    """Text as plotly shows it letter by letter: its markup characters escaped, line breaks and invisible characters as
    spaces.
    """
    return html.escape("".join(c if c.isprintable() else " " for c in text), quote=False)


def shortened(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> dict[str, Any]:
    """What a figure's download as CSV holds where its points alone would not say it: plain values, None for nothing."""
    return {"columns": list(columns), "rows": [list(row) for row in rows]}


def shortened_apart(names: Sequence[str], limit: int) -> list[str]:
    """Names that fit. Where some do not, what all of them begin with is left out first: it tells none apart."""
    if all(len(name) <= limit for name in names):
        return list(names)
    same = next((place for place, letters in enumerate(zip(*names, strict=False)) if len(set(letters)) > 1), 0)
    return [shortened("…" + name[same:] if same > 1 else name, limit) for name in names]


def framed(traces: list[dict[str, Any]], title: str, x_title: str, y_title: str) -> Figure:
    return {
        "data": traces,
        "layout": {
            "title": {"text": plain(title)},
            "xaxis": {"title": {"text": plain(x_title)}, "automargin": True},
            "yaxis": {"title": {"text": plain(y_title)}, "automargin": True},
            "margin": {"l": 56, "r": 16, "t": 40, "b": 24},
            "showlegend": True,
        },
    }


def _line(series: Series, index: int, line: dict[str, Any], markers: bool = True) -> dict[str, Any]:
    x, y = downsample(series.x, series.y)
    mode = "lines+markers" if markers and len(x) <= _MARKERS_UP_TO else "lines"
    marker = {"symbol": _SYMBOLS[index % len(_SYMBOLS)], "size": 6}
    return {"type": "scatter", "mode": mode, "x": numbers(x), "y": numbers(y), "line": line, "marker": marker}


def numbers(values: npt.NDArray[np.float64]) -> list[float | None]:
    """Six significant digits are more than a screen shows and half the bytes; what is not finite is a gap, and JSON has
    no NaN.
    """
    return [float(f"{value:.6g}") if math.isfinite(value) else None for value in values.tolist()]


def uid(kind: str, name: str) -> str:
    """By it plotly knows a curve again when another one joins. It becomes part of an SVG reference, which breaks at a
    space (hatching turns black).
    """
    return f"{kind}-{''.join(c if c.isalnum() else '-' for c in name)}"


def _hover_format(percent: bool) -> str:
    return ":.1%" if percent else ":.4~g"


def _no_template(text: str) -> str:
    return text.replace("%{", "%\u200b{")


def vertical_line(x: float, width: float = 1.5) -> dict[str, Any]:
    line = {"color": theme.MUTED, "width": width, "dash": "dash"}
    return {"type": "line", "xref": "x", "x0": x, "x1": x, "yref": "paper", "y0": 0, "y1": 1, "line": line}


def line_label(x: float, text: str, *, row: int = 0, left: bool = False, below: bool = False) -> dict[str, Any]:
    place = {"y": 0, "yanchor": "bottom", "yshift": 2} if below else {"y": 1, "yanchor": "top", "yshift": -14 * row}
    side = {"xanchor": "right", "xshift": -3} if left else {"xanchor": "left", "xshift": 3}
    return {
        "xref": "x",
        "x": x,
        "yref": "paper",
        **place,
        **side,
        "text": plain(text),
        "showarrow": False,
        "font": {"size": 11},
    }


def unique(names: Sequence[str]) -> list[str]:
    """Two classes of one (shortened) name must not fall on one place of an axis."""
    unique: dict[str, None] = {}
    for index, name in enumerate(names):
        candidate = name
        while candidate in unique:
            candidate = f"{candidate} ({index})"
        unique[candidate] = None
    return list(unique)
