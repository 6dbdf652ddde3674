"""The most probable classes of one image: a slim bar for each between its name and its probability."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
import numpy.typing as npt

from ui.style.colors import MUTED, RIGHT
from ui.style.formatting import percent

_TOP = 5  # classes that are drawn
_LIST = "display:grid;grid-template-columns:auto 1fr auto;gap:0.25rem 0.6rem;align-items:center;font-size:0.875rem"
_ROW = "display:contents"
_NAME = "max-width:9rem;overflow:hidden;text-overflow:ellipsis;white-space:nowrap"
_TRACK = f"position:relative;height:6px;border-radius:3px;background:color-mix(in srgb,{MUTED} 25%,transparent)"
_FILL = f"height:100%;border-radius:3px;background:{RIGHT}"
_LINE = f"position:absolute;top:-4px;height:14px;width:2px;background:{MUTED}"


def probability_bars(
    classes: Sequence[str], probabilities: npt.ArrayLike, *, decision_threshold: float | None = None
) -> str:
    """HTML, the most probable class uppermost, as wide as there is room. probabilities: [K]. decision_threshold: a line
    across the bars at the probability from which on a class is possible. Raises ValueError where there is not one
    probability for each class.
    """
    values = np.asarray(probabilities, np.float64)
    if values.shape != (len(classes),):
        raise ValueError(
            f"there must be one probability per class ({len(classes)}), but the shape is {list(values.shape)}"
        )
    line = "" if decision_threshold is None else f'<div style="{_LINE};left:{_width(decision_threshold)}"></div>'
    rows = [
        f'<div style="{_ROW}"><span style="{_NAME}" title="{escape(classes[k])}">{escape(classes[k])}</span>'
        f'<div style="{_TRACK}"><div style="{_FILL};width:{_width(values[k])}"></div>{line}</div>'
        f'<span style="text-align:right">{percent(float(values[k]))}</span></div>'
        for k in np.argsort(-values, kind="stable")[:_TOP]
    ]
    return f'<div style="{_LIST}">{"".join(rows)}</div>'


def _width(share: float) -> str:
    return f"{100 * min(max(float(share), 0.0), 1.0):.2f}%"
