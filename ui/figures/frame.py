"""What every figure shares: title, axes, names, the table behind it."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ui.style import colors

Figure = dict[str, Any]
_LABEL_ROW = 14  # pixels
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "cross")  # of markers, beside their color
PERCENT_TICKS = {
    "nticks": 6,
    "tickformatstops": [{"dtickrange": [None, 0.0099], "value": ".1%"}, {"dtickrange": [0.0099, None], "value": ".0%"}],
}


def plain_text(text: str) -> str:
    """Text as plotly shows it letter by letter: its markup characters escaped, line breaks and invisible characters as
    spaces.
    """
    return html.escape("".join(c if c.isprintable() else " " for c in text), quote=False)


def shorten(text: str, limit: int) -> str:
    """Without its middle where it is longer: names of one kind often differ at the end."""
    tail = 2 * limit // 5
    return text if len(text) <= limit else f"{text[: limit - tail - 1]}…{text[len(text) - tail :]}"


def csv_table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> dict[str, Any]:
    """What a figure's download as CSV holds where its points alone would not say it: plain values, None for nothing."""
    return {"columns": list(columns), "rows": [list(row) for row in rows]}


def shorten_unique(names: Sequence[str], limit: int) -> list[str]:
    """Names that fit. Where some do not, what all of them begin with is left out first: it tells none apart."""
    if all(len(name) <= limit for name in names):
        return list(names)
    shared = next((i for i, letters in enumerate(zip(*names, strict=False)) if len(set(letters)) > 1), 0)
    return [shorten("…" + name[shared:] if shared > 1 else name, limit) for name in names]


def framed(traces: list[dict[str, Any]], title: str, x_title: str, y_title: str) -> Figure:
    return {
        "data": traces,
        "layout": {
            "title": {"text": plain_text(title)},
            "xaxis": {"title": {"text": plain_text(x_title)}, "automargin": True},
            "yaxis": {"title": {"text": plain_text(y_title)}, "automargin": True},
            "margin": {"l": 56, "r": 16, "t": 40, "b": 24},
            "showlegend": True,
        },
    }


def json_numbers(values: npt.NDArray[np.float64]) -> list[float | None]:
    """Six significant digits are more than a screen shows and half the bytes; what is not finite is a gap, and JSON has
    no NaN.
    """
    return [float(f"{value:.6g}") if math.isfinite(value) else None for value in values.tolist()]


def trace_uid(kind: str, name: str) -> str:
    """By it plotly knows a curve again when another one joins. It becomes part of an SVG reference, which breaks at a
    space (hatching turns black).
    """
    return f"{kind}-{''.join(c if c.isalnum() else '-' for c in name)}"


def hover_format(percent: bool) -> str:
    return ":.1%" if percent else ":.4~g"


def without_template(text: str) -> str:
    """Text in a tip's template that plotly must not take for one of its variables."""
    return text.replace("%{", "%\u200b{")


def bar_pattern(shape: str, color: str) -> dict[str, Any]:
    """plotly's hatching of a bar, so that its color is not alone; shape "" is none."""
    return {"shape": shape, "size": 7, "solidity": 0.3, "fgcolor": "rgba(255, 255, 255, 0.75)", "bgcolor": color}


def vertical_line(x: float, width: float = 1.5) -> dict[str, Any]:
    line = {"color": colors.MUTED, "width": width, "dash": "dash"}
    return {"type": "line", "xref": "x", "x0": x, "x1": x, "yref": "paper", "y0": 0, "y1": 1, "line": line}


def horizontal_line(y: float) -> dict[str, Any]:
    line = {"color": colors.MUTED, "width": 1.5, "dash": "dash"}
    return {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "yref": "y", "y0": y, "y1": y, "line": line}


def line_label(x: float, text: str, *, row: int = 0, left: bool = False) -> dict[str, Any]:
    """What a vertical line means, above the plot, where it covers nothing. row: above the labels of earlier rows."""
    side = {"xanchor": "right", "xshift": -3} if left else {"xanchor": "left", "xshift": 3}
    return {
        "xref": "x",
        "x": x,
        "yref": "paper",
        "y": 1,
        "yanchor": "bottom",
        "yshift": 2 + _LABEL_ROW * row,
        **side,
        "text": plain_text(text),
        "showarrow": False,
        "font": {"size": 11},
    }


def with_labels_above(figure: Figure, labels: Sequence[dict[str, Any]], rows: int = 1) -> None:
    """Give the figure these `line_label`s and, between title and plot, the room for their rows."""
    figure["layout"]["annotations"] = list(labels)
    if labels:
        figure["layout"]["meta"] = {"above": 2 + _LABEL_ROW * rows}


def room_above(figure: Figure) -> int:
    """Pixels between title and plot that `with_labels_above` took: so much higher the figure is to be drawn."""
    return int(figure["layout"].get("meta", {}).get("above", 0))


def unique_names(names: Sequence[str]) -> list[str]:
    """Two classes of one (shortened) name must not share a position on an axis."""
    unique: dict[str, None] = {}
    for index, name in enumerate(names):
        candidate = name
        while candidate in unique:
            candidate = f"{candidate} ({index})"
        unique[candidate] = None
    return list(unique)
