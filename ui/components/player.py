"""A layout through time that plays in the browser: points travel from one evaluation to the next without asking the
server.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import streamlit as st
from numpy.typing import NDArray

_HEIGHT = 520  # pixels
_CSS = """
.fewlab-player { width: 100%; color: var(--st-text-color); font: inherit; font-size: 14px; }
.fewlab-player canvas {
  width: 100%; display: block; border-radius: 6px;
  border: 1px solid var(--st-border-color-light, rgba(128, 132, 149, 0.3));
}
.fewlab-player .controls { display: flex; gap: 12px; align-items: center; padding: 8px 0; }
.fewlab-player input { flex: 1; accent-color: var(--st-primary-color); }
.fewlab-player button {
  font: inherit; color: inherit; background: none; border-radius: 6px; padding: 4px 14px; cursor: pointer;
  border: 1px solid var(--st-border-color, rgba(128, 132, 149, 0.4));
}
.fewlab-player output { min-width: 6em; }
.fewlab-player .legend { display: flex; flex-wrap: wrap; gap: 2px 12px; font-size: 12px; }
.fewlab-player .legend i { display: inline-block; width: 9px; height: 9px; margin-right: 4px; border-radius: 50%; }
"""
_HTML = """<div class="fewlab-player"><canvas role="img" aria-label="Points through time"></canvas>
<div class="controls"><button type="button">Play</button>
<input type="range" min="0" value="0" aria-label="Evaluation"><output></output></div>
<div class="legend"></div></div>"""

_component = st.components.v2.component(
    "fewlab_player",
    html=_HTML,
    css=_CSS,
    js=Path(__file__).with_suffix(".js").read_text(encoding="utf-8"),
    isolate_styles=False,
)


def player(
    frames: NDArray[np.float32],
    steps: Sequence[int],
    colors: NDArray[np.int64],
    paints: Sequence[str],
    names: Sequence[str],
    marked: NDArray[np.int64],
    *,
    key: str,
) -> None:
    """Play `frames` [E, N, 2] over `steps` [E].

    colors: [N], for each point the position of its color in `paints` (CSS colors); names: what the paints mean. marked:
    points drawn as rings.
    """
    data = {
        "frames": base64.b64encode(as_int16(frames).tobytes()).decode("ascii"),
        "steps": list(map(int, steps)),
        "colors": colors.tolist(),
        "paints": list(paints),
        "names": list(names),
        "marked": marked.tolist(),
        "height": _HEIGHT,
    }
    _component(data=data, key=key)


def as_int16(frames: NDArray[np.float32]) -> NDArray[np.int16]:
    """Frames [E, N, 2] around the middle of all of them, the widest reaching to the ends of what 16 bits hold: an
    eighth of a pixel on any screen.
    """
    low, high = frames.min((0, 1)), frames.max((0, 1))
    widest = float((high - low).max()) or 1.0
    whole: NDArray[np.int16] = np.round((frames - (low + high) / 2) / widest * 65534).clip(-32767, 32767).astype("<i2")
    return whole
