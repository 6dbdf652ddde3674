"""The views that training makes of an image, made anew for the eye: what the network is shown in its place."""

from __future__ import annotations

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from engine.analysis.evaluated_run import EvaluatedRun
from engine.lab.prediction_messages import MakeViews
from ui.components.gallery import image_uri
from ui.shell.page import escape_markdown, expander
from ui.shell.server import catalog, lab

_COUNT = 5  # of each kind
_SIDE = 64  # screen pixels


def image_views(run: EvaluatedRun, sample: int) -> None:
    """Folded away, and made only where they are asked for. Raises FewLabError if the images are gone."""
    if (container := expander("Its views in training", "panel_views", icon=":material/auto_awesome_motion:")) is None:
        return
    titles = catalog()["methods"].get(run.config["method"]["name"], {}).get("view_titles", {})
    with container:
        for name, views in _views(run.id, sample, str(run.folder.path), run.pixels(sample)).items():
            title = titles.get(name, f"{name.replace('_', ' ')} view").capitalize()
            st.caption(escape_markdown(title))
            with st.container(horizontal=True, gap="xsmall"):
                for view in views:
                    st.image(image_uri(_enlarged(view)), width=_SIDE, alt=title)


@st.cache_data(max_entries=64, show_spinner=False)
def _views(run_id: str, sample: int, path: str, _pixels: NDArray[np.uint8]) -> dict[str, NDArray[np.uint8]]:
    return lab().assistant.ask(MakeViews(path, _pixels.tobytes(), _pixels.shape, _COUNT, sample))


def _enlarged(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """uint8 [C, H, W], each pixel of a small image as a square: browsers would blur it."""
    times = max(1, _SIDE // max(pixels.shape[1:]))
    return pixels.repeat(times, 1).repeat(times, 2)
