"""Numbers -> plotly figures as plain dicts, for ui.components.live_figure. Pure functions; neither plotly nor Streamlit
is imported.

Text colors, grid and fonts are left out on purpose: the figure takes them from the light or dark theme where it is
drawn. Every name that may come from a file (classes, runs) goes through `plain_text`, because plotly reads <b> and
<a> in texts as markup.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from engine.analysis.curves import downsample
from ui.figures.frame import (
    PERCENT_TICKS,
    SYMBOLS,
    Figure,
    framed,
    hover_format,
    json_numbers,
    line_label,
    plain_text,
    trace_uid,
    vertical_line,
    with_labels_above,
    without_template,
)
from ui.style import colors

_MARKERS_UP_TO = 60  # points; beyond, markers would merge into a band
_LABEL_ROWS = 3  # of marks: those of neighbors stand one above the other
_LABEL_SHARE = 0.3  # of the axis that a label takes, in a figure of half a page


@dataclass(frozen=True, slots=True)
class Series:
    """One curve: x (steps, ascending) and y, both [N]; NaN in y is a gap."""

    name: str
    x: npt.ArrayLike
    y: npt.ArrayLike
    color: str
    dash: colors.Dash = "solid"


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened at a step: "threshold 0.90"."""

    step: float
    label: str


def line_chart(
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
    zoom: bool = False,
) -> Figure:
    """Curves over training steps, at most 2,000 points each with their extremes kept.

    ghosts: the curves of another run, thin, pale and dotted behind; one legend entry, `ghost_name`, shows or hides all
    of them. marks: vertical lines, each with a label above the plot. percent: y is a share, shown on a fixed axis from
    0 to 100 %. x_max: where the run will end. x_format: how the tip over a point writes x. markers: few points are
    marked one by one. zoom: the axis of shares begins below where the curves live once they have left their start.
    """
    traces = []
    for index, ghost in enumerate(ghosts):
        line = {"color": ghost.color, "width": 1.5, "dash": "dot"}
        legend = {"legendgroup": "ghosts", "showlegend": index == 0, "legendrank": 2000}
        own_name = plain_text(f"{ghost.name}, {ghost_name}")
        name = plain_text(ghost_name) if index == 0 else own_name
        hover = f"{without_template(own_name)}: %{{y{hover_format(percent)}}}<extra></extra>"
        traces.append(
            {
                **_line(ghost, index, line),
                **legend,
                "name": name,
                "opacity": 0.55,
                "hovertemplate": hover,
                "uid": trace_uid("ghost", ghost.name),
            }
        )
    for index, one in enumerate(series):
        line = {"color": one.color, "width": 2, "dash": one.dash}
        hover = f"%{{fullData.name}}: %{{y{hover_format(percent)}}}<extra></extra>"
        traces.append(
            {
                **_line(one, index, line, markers),
                "name": plain_text(one.name),
                "hovertemplate": hover,
                "uid": trace_uid("series", one.name),
            }
        )

    figure = framed(traces, title, x_title, y_title)
    layout = figure["layout"]
    layout["hovermode"] = "x unified"
    layout["xaxis"].update({"range": [0, x_max]} if x_max else {"rangemode": "tozero"})
    layout["xaxis"].update({"spikethickness": 1, "spikedash": "dot", "spikecolor": colors.MUTED})
    layout["xaxis"]["unifiedhovertitle"] = {"text": f"{without_template(plain_text(x_title))} %{{x:{x_format}}}"}
    lowest = where_curves_live([one.y for one in (*series, *ghosts)]) if zoom else 0.0
    layout["yaxis"].update({"range": [lowest, 1.02], **PERCENT_TICKS} if percent else {"rangemode": "tozero"})
    layout["shapes"] = [vertical_line(mark.step) for mark in marks]
    late = 0.8 * x_max if x_max is not None else math.inf
    placed = _placed(marks, x_max or max((mark.step for mark in marks), default=0) or 1, late)
    labels = [line_label(one.mark.step, one.mark.label, row=one.row, left=one.mark.step > late) for one in placed]
    with_labels_above(figure, labels, 1 + max((one.row for one in placed), default=0))
    return figure


class _Placed(NamedTuple):
    """The label of a mark in its row, from start to end on the axis."""

    mark: Mark
    row: int
    start: float
    end: float

    def meets(self, start: float, end: float) -> bool:
        return start < self.end and self.start < end


def _placed(marks: Sequence[Mark], width: float, late: float) -> list[_Placed]:
    """The labels, which have their line at their left or, after `late`, at their right, each in the lowest row where it
    meets no other. Where there is no such row, the oldest in the way gives its place.
    """
    placed: list[_Placed] = []
    for mark in marks:
        reach = _LABEL_SHARE * width
        start, end = (mark.step - reach, mark.step) if mark.step > late else (mark.step, mark.step + reach)
        in_the_way = [one for one in placed if one.meets(start, end)]
        free = sorted(set(range(_LABEL_ROWS)) - {one.row for one in in_the_way})
        row = free[0] if free else in_the_way[0].row
        placed = [one for one in placed if one.row != row or not one.meets(start, end)]
        placed.append(_Placed(mark, row, start, end))
    return placed


def where_curves_live(curves: Sequence[npt.ArrayLike]) -> float:
    """A tenth at or below all shares but those of the first fifth of each curve, where it comes from chance."""
    later = [values[len(values) // 5 :] for values in (np.asarray(one, float) for one in curves)]
    known = np.concatenate([values[np.isfinite(values)] for values in later]) if later else np.zeros(0)
    return max(0.0, math.floor(10 * float(known.min()) - 0.2) / 10) if len(known) else 0.0


def _line(series: Series, index: int, line: dict[str, Any], markers: bool = True) -> dict[str, Any]:
    x, y = downsample(series.x, series.y)
    mode = "lines+markers" if markers and len(x) <= _MARKERS_UP_TO else "lines"
    marker = {"symbol": SYMBOLS[index % len(SYMBOLS)], "size": 6}
    return {"type": "scatter", "mode": mode, "x": json_numbers(x), "y": json_numbers(y), "line": line, "marker": marker}
