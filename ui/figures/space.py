"""Points of a feature space on a plane or in a cube, as figures. Pure functions like those of ui.figures.curves."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ui.figures.frame import Figure, framed, plain_text, shorten_unique, trace_uid
from ui.style import colors

_LEGEND_UP_TO = 24  # names below the figure; more of them stand in a list beside it that can be scrolled
# From the orange of a mistake to the blue of what is right, both in the variant of the theme.
CONFIDENCE_SCALE = [[0, colors.class_color(1)], [1, colors.class_color(0)]]
POINT, OPACITY, FADED = 5, 0.75, 0.12  # of a point on a plane: pixels, and how opaque; and of one not chosen


def labeled_size(count: int) -> int:
    """Pixels of a labeled image's diamond: where there are many they would hide the map."""
    return 11 if count <= 60 else 8 if count <= 200 else 6


@dataclass(frozen=True)
class Coloring:
    """What the colors of N points mean. groups: int64 [N], positions in names and paints; or, without groups, values:
    float [N] from 0 to 1, NaN where there is none.
    """

    title: str
    groups: NDArray[np.int64] | None = None
    names: Sequence[str] = ()
    paints: Sequence[str] = ()
    values: NDArray[np.float64] | None = None


class PointImage(NamedTuple):
    """An image that is drawn at a point, as a data URI."""

    x: float
    y: float
    source: str


def with_images(figure: Figure, images: Sequence[PointImage], side: float) -> Figure:
    """The figure with images to the upper right of their points, which stay in sight. side: in units of the axes."""
    figure["layout"]["images"] = [
        {
            "source": image.source,
            "xref": "x",
            "yref": "y",
            "x": round(image.x, 4),
            "y": round(image.y, 4),
            "sizex": side,
            "sizey": side,
            "xanchor": "left",
            "yanchor": "bottom",
            "layer": "below",
        }
        for image in images
    ]
    return figure


def scatter(
    points: NDArray[np.float32],
    ids: NDArray[np.int64],
    labeled: NDArray[np.bool_],
    tips: Sequence[str],
    coloring: Coloring,
    title: str,
    selected: Sequence[int] | None = None,
) -> Figure:
    """points: [N, 2 or 3]; ids [N] come back from a click or lasso, each with its row. labeled: bool [N], drawn as
    large diamonds. tips: [N], what a point says when it is pointed at.

    selected: ids that stand out while all others fade; None fades nothing.
    """
    flat = points.shape[1] == 2
    traces: list[dict[str, Any]] = []
    is_selected = np.isin(ids, np.asarray(selected, np.int64)) if selected is not None else None
    split: list[tuple[str, NDArray[np.bool_], dict[str, Any]]] = []
    if coloring.groups is not None:
        split = [
            (name, coloring.groups == k, {"color": paint})
            for k, (name, paint) in enumerate(zip(coloring.names, coloring.paints, strict=True))
        ]
    elif coloring.values is not None:
        bar = {"title": {"text": plain_text(coloring.title)}, "thickness": 12, "tickformat": ".0%"}
        there = np.isfinite(coloring.values)
        split = [
            ("no prediction", ~there, {"color": colors.UNKNOWN}),
            (coloring.title, there, {"cmin": 0, "cmax": 1, "colorscale": CONFIDENCE_SCALE, "colorbar": bar}),
        ]
    # In a cube plotly fades no single points: there those that were not selected are drawn apart, paler.
    layers = [None] if is_selected is None or flat else [~is_selected, is_selected]
    entered: set[str] = set()  # names that have their entry in the legend
    many = len(coloring.names) > _LEGEND_UP_TO
    present = [name for name, mine, _ in split if mine.any()]
    called = dict(zip(present, shorten_unique(present, 12 if many else 20), strict=True))
    for name, mine, paint in split:
        for few, layer in itertools.product((False, True), layers):
            rows = np.flatnonzero(mine & (labeled == few) & (True if layer is None else layer))
            if not len(rows):
                continue
            paler = layer is not None and layer is not is_selected
            marker: dict[str, Any] = {
                **paint,
                "size": (labeled_size(int(labeled.sum())) if flat else 7) if few else (POINT if flat else 3),
                "symbol": "diamond" if few else "circle",
                "opacity": FADED if paler else 1.0 if few else OPACITY,
            }
            marker["line"] = {"width": 1.5 if few else 0, "color": colors.MUTED}
            if "colorscale" in paint and coloring.values is not None:
                marker["color"] = coloring.values[rows].round(4).tolist()
                marker["showscale"] = not few
            trace: dict[str, Any] = {
                "type": "scattergl" if flat else "scatter3d",
                "mode": "markers",
                "name": plain_text(called[name]) + (", labeled" if few else ""),
                "uid": trace_uid("points", f"{name}-{few}-{paler}"),
                "legendgroup": name,
                "showlegend": "colorscale" not in paint and name not in entered,
                "marker": marker,
                "customdata": [[int(ids[row]), int(row)] for row in rows],
                "text": [tips[row] for row in rows.tolist()],
                "hovertemplate": "%{text}<extra></extra>",
            }
            for axis, values in zip("xyz", points[rows].T, strict=False):
                trace[axis] = values.astype(float).round(4).tolist()
            if is_selected is not None and flat:
                trace["selectedpoints"] = np.flatnonzero(is_selected[rows]).tolist()
                trace["unselected"] = {"marker": {"opacity": FADED}}
            traces.append(trace)
            entered.add(name)
    figure = framed(traces, title, "", "")
    layout = figure["layout"]
    if many:
        layout["legend"] = {
            "orientation": "v",
            "xref": "paper",
            "x": 1.01,
            "xanchor": "left",
            "yref": "paper",
            "y": 1,
            "yanchor": "top",
        }
    if flat:
        layout["dragmode"] = "lasso"
        for axis in ("xaxis", "yaxis"):
            layout[axis].update({"showticklabels": False, "ticks": "", "showgrid": False})
        layout["yaxis"].update({"scaleanchor": "x", "scaleratio": 1})
        layout["margin"] = {"l": 12, "r": 12, "t": 40, "b": 12}
    else:
        hidden = {"showticklabels": False, "title": {"text": ""}, "showspikes": False}
        layout["scene"] = {"dragmode": "turntable", **{axis: hidden for axis in ("xaxis", "yaxis", "zaxis")}}
        layout["margin"] = {"l": 0, "r": 0, "t": 40, "b": 0}
        del layout["xaxis"], layout["yaxis"]
    return figure
