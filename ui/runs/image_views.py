"""The views that training makes of an image, made anew for the eye: what the network is shown in its place."""

from __future__ import annotations

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from engine.analysis.evaluated_run import EvaluatedRun
from engine.lab.prediction_messages import MakeViews
from ui.components.gallery import image_uri
from ui.shell.page import escape_markdown, expander, show_errors
from ui.shell.server import catalog, lab

_COUNT = 5  # of each kind
_SIDE = 64  # screen pixels


def image_views(run: EvaluatedRun, sample: int) -> None:
    """Folded away, and made only where they are asked for."""
    if (container := expander("Its views in training", "panel_views", icon=":material/auto_awesome_motion:")) is None:
        return
    titles = catalog()["methods"].get(run.config["method"]["name"], {}).get("view_titles", {})
    with container, show_errors():
        views = _views(str(run.folder.path), sample, run.pixels(sample))
        if not views:
            st.caption("This method learns from the images themselves, without views.")
        for name, shown in views.items():
            title = titles.get(name, f"{name.replace('_', ' ')} view").capitalize()
            st.caption(escape_markdown(title))
            with st.container(horizontal=True, gap="xsmall"):
                for view in shown:
                    st.image(view, width=_SIDE, alt=title)


@st.cache_data(max_entries=64, show_spinner=False)
def _views(run: str, sample: int, _pixels: NDArray[np.uint8]) -> dict[str, list[str]]:
    """Data URIs by the name of the view. run: its folder."""
    made = lab().assistant.ask(MakeViews(run, _pixels.tobytes(), _pixels.shape, _COUNT, sample))
    return {name: [image_uri(_enlarged(view)) for view in views] for name, views in made.items()}


def _enlarged(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """uint8 [C, H, W], each pixel of a small image as a square: browsers would blur it."""
    times = max(1, _SIDE // max(pixels.shape[1:]))
    return pixels.repeat(times, 1).repeat(times, 2)
