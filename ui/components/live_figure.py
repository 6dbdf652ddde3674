"""A plotly figure that survives refreshes: zoom, hidden legend entries and drags stay while new points arrive every
second.

st.plotly_chart mounts its figure anew at every change of data. Here one element stays and Plotly.react redraws it; see
live_figure.js.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import streamlit as st

from ui.components.joined_scripts import joined_scripts
from ui.components.plotly_script import script_url
from ui.components.sprite_sheet import SpriteSheet
from ui.style import colors

SCRIPT = joined_scripts(
    "figure_theme", "figure_downloads", "figure_words", "figure_keyboard", "point_image", "live_figure"
)
_CSS = """
.fewlab-figure { position: relative; width: 100%; min-width: 0; overflow: hidden; }
/* The height is reserved until the component's script has set its own. */
:is(.stElementContainer, .stBidiComponent, [data-testid="stBidiComponentRegular"]):has(.fewlab-figure[style]) {
  height: auto !important; flex-basis: auto !important; overflow: visible !important;
}
.fewlab-figure .modebar { top: var(--fewlab-bar-top, 2px) !important; }
.fewlab-figure .modebar-btn:focus-visible { outline: 2px solid var(--st-primary-color) !important; }
.fewlab-figure:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: -2px; border-radius: 6px; }
.fewlab-figure .key-marker {
  position: absolute; z-index: 1; pointer-events: none; border-radius: 3px;
  border: 2px solid var(--st-text-color); box-shadow: 0 0 0 1px var(--st-background-color);
}
.fewlab-figure .spoken, .fewlab-figure .as-table:not(:focus-visible) {
  position: absolute; width: 1px; height: 1px; overflow: hidden; opacity: 0;
}
.fewlab-figure .as-table:focus-visible { position: absolute; inset: 4px 4px auto auto; z-index: 3; }
.fewlab-figure .figure-table {
  max-width: min(90vw, 60rem); max-height: 80vh; padding: 1rem; border-radius: 8px; font: inherit; font-size: 0.875rem;
  color: var(--st-text-color); background: var(--st-background-color);
  border: 1px solid var(--st-border-color, rgba(128, 132, 149, 0.4));
}
.fewlab-figure .figure-table[open] { display: flex; flex-direction: column; gap: 0.6rem; }
.fewlab-figure .figure-table::backdrop { background: rgba(0, 0, 0, 0.4); }
.fewlab-figure .figure-table .rows { overflow: auto; }
.fewlab-figure .figure-table caption { text-align: left; font-weight: 600; padding-bottom: 0.4rem; }
.fewlab-figure .figure-table th, .fewlab-figure .figure-table td { text-align: left; padding: 0.15rem 1rem 0.15rem 0; }
.fewlab-figure .figure-table thead th {
  position: sticky; top: 0; font-weight: 600; background: var(--st-background-color);
}
.fewlab-figure .as-table, .fewlab-figure .figure-table button {
  align-self: flex-end; font: inherit; color: inherit; cursor: pointer; border-radius: 6px; padding: 0.2rem 0.8rem;
  background: var(--st-background-color); border: 1px solid var(--st-border-color, rgba(128, 132, 149, 0.4));
}
"""

_component = st.components.v2.component(
    "fewlab_live_figure",
    html='<div class="fewlab-figure"></div>',
    css=_CSS + Path(__file__).with_name("point_image.css").read_text(encoding="utf-8"),
    js=SCRIPT,
    isolate_styles=False,
)


def live_figure(
    figure: dict[str, Any],
    *,
    key: str,
    revision: str,
    height: int = 320,
    clickable: bool = False,
    selectable: bool = False,
    zoomable: bool = False,
    fills: bool = False,
    sprites: SpriteSheet | None = None,
) -> dict[str, Any] | None:
    """Draw `figure` (from ui.figures.curves; JSON values only, no NaN), or bring the one already drawn under `key` up
    to date.

    revision: what the figure is about, such as the run id, which then is part of the names of its files. While it
    stays the same, so do the person's zoom and hidden legend entries; the zoom also when the page is left and opened
    again in the same tab. An unchanged figure is not drawn again.

    clickable: a click on a point, bar or cell, or Enter where the arrow keys have led, runs the script (or fragment)
    again and returns {"x", "y", "customdata"} of it, once. selectable: points can be surrounded by a lasso or a box;
    returns {"selected": [first entry of each point's customdata]}, once. zoomable: the wheel zooms; returns {"zoomed":
    {"x": [low, high], "y": [low, high]}} once it has, with None for both where everything is shown again. fills: on a
    window with more room, it is as high as that allows. sprites: the images of the points; the one under the mouse
    shows its tile, whose number is the second entry of its customdata.

    Raises ValueError or TypeError if the figure has a value JSON does not know. Needs
    ui.components.plotly_script.write_script() at the start of the app.
    """
    # Written out here, because the component would turn a NaN into a broken figure and an array into its printed form,
    # without a word.
    written = json.dumps(figure, allow_nan=False, separators=(",", ":"))
    data = {
        "figure": written,
        "key": key,
        "revision": revision,
        "height": height,
        "clickable": clickable,
        "selectable": selectable,
        "zoomable": zoomable,
        "fills": fills,
        "sprites": None if sprites is None else sprites.served(key),
        "script": script_url(),
        "colors": colors.BY_THEME,
    }
    result = _mounted(data, key, height)
    if zoomable and result.zoomed is not None:
        return {"zoomed": result.zoomed}
    if selectable and result.selected is not None:
        return {"selected": result.selected}
    clicked: dict[str, Any] | None = result.clicked if clickable else None
    return clicked


def preload_figures() -> None:
    """Let the browser load plotly while the user still reads: the first figure on another page then stands a second
    sooner. Draws nothing.
    """
    _mounted({"figure": None, "script": script_url()}, "preload_figures")


def _mounted(data: dict[str, Any], key: str, height: int | Literal["content"] = "content") -> Any:
    return _component(
        data=data,
        key=key,
        height=height,
        on_clicked_change=_nothing,
        on_selected_change=_nothing,
        on_zoomed_change=_nothing,
    )


def _nothing() -> None:
    """The component reports what was done to it only if somebody listens."""
