"""Figures of several runs: bands over seeds, accuracy against labels, parallel coordinates. Pure functions like those
of ui.figures.curves.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from engine.analysis.compare import Band, BudgetPoint, short_keys
from ui.figures.curves import where_curves_live
from ui.figures.frame import (
    PERCENT_TICKS,
    Figure,
    csv_table,
    framed,
    hover_format,
    json_numbers,
    plain_text,
    shorten,
    shorten_unique,
    trace_uid,
)
from ui.style import colors, formatting

# From blue to the orange that is brown on light ground: away from the ground in lightness, which every kind of
# sight can read.
ACCURACY_SCALE = [[0, colors.class_color(0)], [1, colors.class_color(1)]]


def run_dash(number: int) -> colors.Dash:
    """The stroke of the curve with this number, so that curves whose colors come round again still differ."""
    return colors.DASHES[number // len(colors.CLASS_COLORS) % len(colors.DASHES)]


class SeedBand(NamedTuple):
    """The runs of one configuration, as a mean with a range. shade: what the color is on the ground that is seen now,
    because the range is paler than any color that has a name.
    """

    name: str
    band: Band
    color: str
    shade: str


def seed_bands(title: str, bands: Sequence[SeedBand], *, percent: bool, y_title: str, zoom: bool = False) -> Figure:
    """Mean curves with the range between the lowest and the highest run shaded. zoom: the axis of shares begins where
    the lowest runs live.
    """
    traces: list[dict[str, Any]] = []
    for number, (name, band, color, shade) in enumerate(bands):
        together: dict[str, Any] = {
            "type": "scatter",
            "mode": "lines",
            "x": band.steps,
            "hoverinfo": "skip",
            "showlegend": False,
            "line": {"width": 0},
            "legendgroup": f"band-{number}",
        }
        if band.runs > 1:
            traces.append(
                {
                    **together,
                    "name": plain_text(f"{name}, lowest"),
                    "uid": trace_uid("low", name),
                    "y": json_numbers(np.asarray(band.low, np.float64)),
                }
            )
            traces.append(
                {
                    **together,
                    "name": plain_text(f"{name}, highest"),
                    "uid": trace_uid("high", name),
                    "y": json_numbers(np.asarray(band.high, np.float64)),
                    "fill": "tonexty",
                    "fillcolor": faded(shade),
                }
            )
        legend = f"{name} ({band.runs} seed{'' if band.runs == 1 else 's'})"
        line = {"color": color, "width": 2, "dash": run_dash(number)}
        mean = {
            "name": plain_text(legend),
            "uid": trace_uid("mean", name),
            "y": json_numbers(np.asarray(band.mean, np.float64)),
            "line": line,
            "hovertemplate": f"%{{fullData.name}}: %{{y{hover_format(percent)}}}<extra></extra>",
        }
        traces.append({"type": "scatter", "mode": "lines", "x": band.steps, "legendgroup": f"band-{number}", **mean})
    figure = framed(traces, title, "step", y_title)
    figure["layout"]["hovermode"] = "x unified"
    figure["layout"]["xaxis"]["rangemode"] = "tozero"
    lowest = where_curves_live([one.band.low for one in bands]) if zoom else 0.0
    figure["layout"]["yaxis"].update({"range": [lowest, 1.02], **PERCENT_TICKS} if percent else {"rangemode": "tozero"})
    return figure


def label_budget_curves(title: str, named: Sequence[tuple[str, Sequence[BudgetPoint]]]) -> Figure:
    """Accuracy against labels per class, on an axis where each doubling is as wide; the range over seeds as bars of
    error.
    """
    traces = []
    for number, (name, points) in enumerate(named):
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": plain_text(name),
                "uid": trace_uid("budget", name),
                "x": [point.per_class for point in points],
                "y": [round(point.mean, 6) for point in points],
                "error_y": {
                    "type": "data",
                    "symmetric": False,
                    "array": [point.high - point.mean for point in points],
                    "arrayminus": [point.mean - point.low for point in points],
                    "thickness": 1.2,
                },
                "line": {"color": colors.class_color(number), "width": 2, "dash": run_dash(number)},
                "marker": {"size": 8},
                "customdata": [point.runs for point in points],
                "hovertemplate": "%{fullData.name}, %{x} per class: %{y:.1%}, mean of %{customdata}<extra></extra>",
            }
        )
    figure = framed(traces, title, "labels per class", "test accuracy")
    ticks = sorted({point.per_class for _, points in named for point in points})
    figure["layout"]["xaxis"].update(
        {"type": "log", "tickvals": ticks, "ticktext": [formatting.count(tick) for tick in ticks]}
    )
    lowest = where_curves_live([[point.low] for _, points in named for point in points])
    figure["layout"]["yaxis"].update({"range": [lowest, 1.02], **PERCENT_TICKS})
    return figure


def parallel_coordinates(
    title: str,
    settings: Sequence[tuple[str, Sequence[Any]]],
    accuracies: Sequence[float],
    *,
    measure: str = "test accuracy",
    log: Collection[str] = (),
    titles: Mapping[str, str] | None = None,
    say: Callable[[Any, str], str] = lambda value, key: str(value),
) -> Figure:
    """One line for each run through its settings to its accuracy, which also colors it. settings: (key, one value for
    each run). measure: what the accuracies are. log: keys of settings whose factors are equally far apart. titles: by
    key; the others are called by their keys, shortened. say: a value in words, given it and its key.

    Numbers keep their order on an axis of their own; words, truth values and settings that a run lacks stand one above
    the other.
    """
    dimensions: list[dict[str, Any]] = []
    for called, (name, values) in zip(_called([key for key, _ in settings], titles), settings, strict=True):
        dimension: dict[str, Any] = {"label": plain_text(shorten(called, 18))}
        if not all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values):
            words = [formatting.NOTHING if value is None else say(value, name) for value in values]
            order = sorted(set(words))
            dimension["values"] = [order.index(word) for word in words]
            dimension["tickvals"] = list(range(len(order)))
            dimension["ticktext"] = [plain_text(shorten(word, 18)) for word in order]
        elif name in log and min(values) > 0:
            dimension["values"] = [math.log10(value) for value in values]
            ticks = _log_ticks(min(values), max(values))
            dimension["tickvals"] = [math.log10(tick) for tick in ticks]
            dimension["ticktext"] = [f"{tick:g}" for tick in ticks]
        else:
            dimension["values"] = [float(value) for value in values]
        dimensions.append(dimension)
    dimensions.append(
        {"label": measure, "values": [round(float(value), 6) for value in accuracies], "tickformat": ".1%"}
    )
    line = {"color": [round(float(value), 6) for value in accuracies], "colorscale": ACCURACY_SCALE, "showscale": False}
    figure = framed([{"type": "parcoords", "uid": "parallel", "dimensions": dimensions, "line": line}], title, "", "")
    each = [list(values) for _, values in settings]
    figure["table"] = csv_table([*(name for name, _ in settings), measure], zip(*each, accuracies, strict=True))
    figure["layout"]["meta"] = {"above": 30}
    figure["layout"]["margin"] = {"l": 64, "r": 64, "t": 40, "b": 24}
    return figure


def _called(keys: Sequence[str], titles: Mapping[str, str] | None) -> list[str]:
    return [(titles or {}).get(key, short) for key, short in zip(keys, short_keys(keys), strict=True)]


def importance_bars(title: str, shares: Sequence[tuple[str, float]], titles: Mapping[str, str] | None = None) -> Figure:
    """How much of the differences in accuracy each setting explains, the most important on top. shares: (key of the
    setting, 0 to 1). titles: as those of parallel coordinates.
    """
    names = shorten_unique(_called([key for key, _ in shares], titles), 24)
    values = [round(share, 4) for _, share in shares]
    bars = {
        "type": "bar",
        "orientation": "h",
        "uid": "importance",
        "x": values,
        "y": [plain_text(name) for name in names],
        "text": [formatting.percent(value) for value in values],
        "textposition": "auto",
        "cliponaxis": False,
        "marker": {"color": colors.RIGHT},
        "hovertemplate": "%{y}: %{x:.1%}<extra></extra>",
    }
    figure = framed([bars], title, "share of the differences in accuracy", "")
    figure["layout"]["showlegend"] = False
    figure["layout"]["xaxis"].update({"range": [0, 1.02], **PERCENT_TICKS})
    figure["layout"]["yaxis"]["autorange"] = "reversed"
    return figure


def _log_ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 of each decade, as far as they lie between the ends; the ends themselves where fewer than two do."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [float(f"{step}e{decade}") for decade in decades for step in (1, 2, 5)]
    inside = [tick for tick in ticks if low <= tick <= high]
    return inside if len(inside) > 1 else [float(f"{end:.2g}") for end in dict.fromkeys((low, high))]


def faded(color: str) -> str:
    """ "#0087C3" as the same color at a fifth of its strength."""
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, 0.2)"
