"""An image with a frame over it that mouse, finger and keys move: which part of a photo is meant."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import streamlit as st

from engine.images.part import LEAST, Part

_CSS = """
.fewlab-crop { display: flex; flex-direction: column; gap: 8px; font: inherit; color: var(--st-text-color); }
.fewlab-crop .stage {
  position: relative; overflow: hidden; touch-action: none; cursor: crosshair; user-select: none; border-radius: 4px;
  width: min(100%, var(--widest)); aspect-ratio: var(--ratio); background: var(--st-secondary-background-color);
}
.fewlab-crop img { display: block; width: 100%; height: 100%; pointer-events: none; }
.fewlab-crop img.tiny { image-rendering: pixelated; }
.fewlab-crop .frame {
  position: absolute; box-sizing: border-box; cursor: move; border: 2px solid #ffffff;
  outline: 2px solid #111111; box-shadow: 0 0 0 4096px rgba(0, 0, 0, 0.5);
}
.fewlab-crop .frame:focus-visible { outline: 3px solid var(--st-primary-color); outline-offset: 1px; }
.fewlab-crop .corner {
  position: absolute; width: 12px; height: 12px; margin: -7px; background: #ffffff; border: 1px solid #111111;
}
.fewlab-crop .corner::after { content: ""; position: absolute; inset: -10px; }
.fewlab-crop .row { display: flex; gap: 8px; align-items: center; flex-wrap: wrap; }
.fewlab-crop button {
  font: inherit; color: var(--st-text-color); background: none; border-radius: 8px; padding: 4px 14px; cursor: pointer;
  border: 1px solid var(--st-border-color, rgba(128, 132, 149, 0.4));
}
.fewlab-crop button:disabled { opacity: 0.5; cursor: default; }
.fewlab-crop button:hover:enabled { border-color: var(--st-primary-color); color: var(--st-primary-color); }
.fewlab-crop button:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 2px; }
.fewlab-crop output { font-size: 14px; }
"""
_HTML = """<div class="fewlab-crop">
<div class="stage"><img alt="" draggable="false"><div class="frame" role="application" tabindex="0"></div></div>
<div class="row"><button type="button" class="use">Use this part</button>
<button type="button" class="whole">Whole image</button><output></output></div></div>"""
_HEIGHT = 320  # pixels of the screen, at most

_component = st.components.v2.component(
    "fewlab_crop_frame",
    html=_HTML,
    css=_CSS,
    js=Path(__file__).with_suffix(".js").read_text(encoding="utf-8"),
    isolate_styles=False,
)


def crop_frame(
    uri: str, width: int, height: int, *, name: str, part: Part | None, on_part: Callable[[Part | None], None], key: str
) -> None:
    """Show an image of `width` x `height` pixels, as a data URI of any size, with `part` marked in it.

    name: of the file, for screen readers. on_part: called with the part that is to be used, None for the whole image,
    before the page is drawn again; what a browser sends that names no four whole numbers calls nothing.
    """

    def used() -> None:
        value = st.session_state[key].get("used")
        if value == "whole":
            on_part(None)
        elif isinstance(value, list) and len(value) == 4 and all(type(one) is int for one in value):
            on_part(Part(*value))

    data = {
        "uri": uri,
        "width": width,
        "height": height,
        "name": name,
        "part": None if part is None else list(part),
        "least": LEAST,
        "tallest": _HEIGHT,
    }
    _component(data=data, key=key, on_used_change=used)
