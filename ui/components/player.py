"""A layout through time that plays in the browser: points travel from one evaluation to the next without asking the
server.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from ui.components.joined_scripts import joined_scripts
from ui.components.sprite_sheet import SpriteSheet
from ui.style.colors import BY_THEME

_HEIGHT = 520  # pixels, as the map whose place it takes
_CSS = """
.fewlab-player { display: flex; flex-direction: column; width: 100%; color: var(--st-text-color); font-size: 14px; }
.fewlab-player .title { padding: 6px 10px 14px; font-size: 15px; line-height: 20px; font-weight: 600; }
.fewlab-player .plot {
  flex: 1; min-height: 300px; margin: 0 12px; position: relative;
  border: 1px solid var(--st-border-color, rgba(128, 132, 149, 0.4)); border-width: 0 0 1px 1px;
}
.fewlab-player canvas { position: absolute; inset: 0; width: 100%; height: 100%; display: block; }
.fewlab-player .controls { display: flex; flex-wrap: wrap; gap: 4px 12px; align-items: center; padding: 8px 0 0 12px; }
.fewlab-player input { flex: 1; min-width: 80px; accent-color: var(--st-primary-color); }
.fewlab-player button {
  font: inherit; color: inherit; background: none; border-radius: 6px; padding: 4px 14px; cursor: pointer;
  border: 1px solid var(--st-border-color, rgba(128, 132, 149, 0.4));
}
.fewlab-player .play { min-width: 5em; }
.fewlab-player output { min-width: 6em; }
.fewlab-player .legend { display: flex; flex-wrap: wrap; gap: 2px 12px; padding: 8px 12px 0; font-size: 12px; }
.fewlab-player .legend i { display: inline-block; width: 9px; height: 9px; margin-right: 4px; border-radius: 50%; }
"""
_HTML = """<div class="fewlab-player"><div class="title"></div>
<div class="plot"><canvas role="img" aria-label="Points through time"></canvas></div><div class="legend"></div>
<div class="controls"><button type="button" class="play">Play</button>
<input type="range" min="0" value="0" aria-label="Evaluation"><output></output>
<button type="button" class="explore">Explore this evaluation</button></div></div>"""

_component = st.components.v2.component(
    "fewlab_player",
    html=_HTML,
    css=_CSS + Path(__file__).with_name("point_image.css").read_text(encoding="utf-8"),
    js=joined_scripts("figure_theme", "point_image", "player"),
    isolate_styles=False,
)


class Look(NamedTuple):
    """Markers in pixels and opacities: of all points, of the marked ones with their edge's color, and how far those
    fade that are not chosen.
    """

    size: float
    opacity: float
    marked: float
    edge: str
    faded: float


def player(
    frames: NDArray[np.float32],
    steps: Sequence[int],
    groups: NDArray[np.int64],
    paints: Sequence[str],
    names: Sequence[str],
    marked: NDArray[np.int64],
    chosen: NDArray[np.int64] | None,
    look: Look,
    title: str,
    sprites: SpriteSheet | None,
    *,
    key: str,
    on_explore: Callable[[int], None],
) -> None:
    """Play `frames` [E, N, 2] over `steps` [E].

    groups: [N], for each point the position of its color in `paints` ("#RRGGBB"; those of classes in the variant of the
    theme); names: what the paints mean. marked: points drawn as diamonds over all others, which are circles. chosen:
    points that do not fade, None for all. sprites: the images of the points, in their order; the one under the mouse
    shows its tile. on_explore: called before the page runs again, with the step at which the person wants to look
    closer.
    """

    def explored() -> None:
        on_explore(int(st.session_state[key]["explored"]))

    data = {
        "frames": base64.b64encode(as_int16(frames).tobytes()).decode("ascii"),
        "steps": list(map(int, steps)),
        "groups": groups.tolist(),
        "paints": list(paints),
        "names": list(names),
        "marked": marked.tolist(),
        "chosen": None if chosen is None else chosen.tolist(),
        "look": look._asdict(),
        "title": title,
        "height": _HEIGHT,
        "sprites": None if sprites is None else sprites.served(key),
        "colors": BY_THEME,
    }
    _component(data=data, key=key, on_explored_change=explored)


def as_int16(frames: NDArray[np.float32]) -> NDArray[np.int16]:
    """Frames [E, N, 2] around the middle of all of them, the widest reaching to the ends of what 16 bits hold: an
    eighth of a pixel on any screen.
    """
    low, high = frames.min((0, 1)), frames.max((0, 1))
    widest = float((high - low).max()) or 1.0
    whole: NDArray[np.int16] = np.round((frames - (low + high) / 2) / widest * 65534).clip(-32767, 32767).astype("<i2")
    return whole
