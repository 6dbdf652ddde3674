"""A pad to draw on with mouse, finger or pen: what a digit, a letter or a doodle is tried with."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path

import streamlit as st

_CSS = """
.fewlab-pad { display: flex; flex-direction: column; gap: 8px; width: min(100%, 300px); font: inherit; }
.fewlab-pad canvas {
  width: 100%; aspect-ratio: 1; touch-action: none; cursor: crosshair; background: #ffffff; border-radius: 8px;
  border: 1px solid var(--st-border-color, rgba(128, 132, 149, 0.4));
}
.fewlab-pad canvas:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 2px; }
.fewlab-pad div { display: flex; gap: 8px; align-items: center; }
.fewlab-pad button {
  font: inherit; color: var(--st-text-color); background: none; border-radius: 8px; padding: 4px 14px; cursor: pointer;
  border: 1px solid var(--st-border-color, rgba(128, 132, 149, 0.4));
}
.fewlab-pad button:disabled { opacity: 0.5; cursor: default; }
.fewlab-pad label { display: flex; gap: 6px; align-items: center; font-size: 14px; color: var(--st-text-color); }
.fewlab-pad input { width: 90px; accent-color: var(--st-primary-color); }
"""
_HTML = """<div class="fewlab-pad">
<canvas width="300" height="300" role="img" tabindex="0" aria-label="Draw here with mouse, finger or pen"></canvas>
<div><button type="button" class="undo">Undo</button><button type="button" class="clear">Clear</button>
<label>Pen <input type="range" min="6" max="40" value="20" aria-label="Width of the pen"></label></div></div>"""
_PREFIX = "data:image/png;base64,"

_component = st.components.v2.component(
    "fewlab_drawing_pad",
    html=_HTML,
    css=_CSS,
    js=Path(__file__).with_suffix(".js").read_text(encoding="utf-8"),
    isolate_styles=False,
)


def drawing_pad(*, key: str) -> bytes | None:
    """What is drawn, dark on white, as a PNG of 300 x 300 pixels; None while the pad is empty. Each finished stroke
    runs the script (or fragment) again.
    """
    drawing = _component(key=key, default={"drawing": None}, on_drawing_change=lambda: None).drawing
    if not isinstance(drawing, str) or not drawing.startswith(_PREFIX):
        return None
    try:
        return base64.b64decode(drawing.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        return None
