"""The color of each chosen run, the same on its chip, on its curve and in the tables: one for each configuration."""

from __future__ import annotations

import base64
from typing import NamedTuple

import streamlit as st

from engine.analysis.compare import without_seeds
from engine.runs.store import Run
from ui.runs.repeated_runs import settings
from ui.style import colors


class Stroke(NamedTuple):
    """As figures have them. color: the name of a class color."""

    color: str
    dash: colors.Dash


def run_strokes(runs: list[Run]) -> dict[str, Stroke]:
    """By run id. Runs that differ in their seed alone share a color and have a dash each."""
    seen: dict[str, list[str]] = {}
    for run in runs:
        seen.setdefault(without_seeds(settings(run)), []).append(run.id)
    strokes = {}
    for number, ids in enumerate(seen.values()):
        again = number // len(colors.CLASS_COLORS)  # the same color another time
        for place, run_id in enumerate(ids):
            strokes[run_id] = Stroke(colors.class_color(number), colors.DASHES[(again + place) % len(colors.DASHES)])
    return {run.id: strokes[run.id] for run in runs}


def color_chips(runs: list[Run]) -> None:
    """Give the chips of the picker the colors of their runs; the picker's own order is that of `runs`."""
    rules = (
        f'[class*="st-key-compare_runs_"] span[data-tag-index="{place}"] {{ --swatch: {colors.css_color(color)}; }}'
        for place, (color, _) in enumerate(run_strokes(runs).values())
    )
    st.html(f"<style>{' '.join(rules)}</style>")


def shade(color: str) -> str:
    """The variant of this color in the theme that is seen now."""
    light, dark = colors.BY_THEME.get(color, (color, color))
    return dark if st.context.theme.type == "dark" else light


def swatch(color: str) -> str:
    """A square of this color as a data URI, in the variant of the theme that is seen now."""
    square = (
        '<svg xmlns="http://www.w3.org/2000/svg" width="24" height="24">'
        f'<rect x="5" y="5" width="14" height="14" rx="2" fill="{shade(color)}"/></svg>'
    )
    return "data:image/svg+xml;base64," + base64.b64encode(square.encode()).decode()
