"""The images of the selected points, and the nearest neighbors of one."""

from __future__ import annotations

import numpy as np
import streamlit as st

from engine.analysis.neighbors import nearest_neighbors
from engine.lab.projections.projection_inputs import Material
from engine.runs.projections import Projection
from ui.runs.image_gallery import Shown, image_gallery
from ui.runs.run_bar import Inside
from ui.space.map_view import chosen_key, near_key
from ui.space.point_colors import answers
from ui.style import formatting

_KEY = "space"
_GALLERY, _NEAR = 60, 12


def selection(inside: Inside, material: Material, found: Projection, step: int) -> None:
    chosen: list[int] | None = st.session_state.get(chosen_key(inside))
    if not chosen:
        st.caption("Surround points with the lasso, or click one, and their images appear here.")
        return
    taken, sure = answers(inside, step)
    truth = dict(zip(found.ids.tolist(), found.labels.tolist(), strict=True))
    here = [sample for sample in chosen if sample in truth]
    st.markdown(
        f"**{formatting.count(len(here))} chosen**"
        + (f", the first {_GALLERY} of them" if len(here) > _GALLERY else "")
    )
    if st.button("Forget the selection", key=f"{_KEY}_forget", type="tertiary"):
        st.session_state.pop(chosen_key(inside), None)
        st.session_state.pop(near_key(inside), None)
        st.rerun()
    shown = [
        Shown(
            sample, truth[sample], taken.get(sample, -1), (formatting.percent(sure[sample]),) if sample in sure else ()
        )
        for sample in here[:_GALLERY]
    ]
    clicked = image_gallery(inside, shown, f"{_KEY}_gallery", selected=st.session_state.get(near_key(inside)), thumb=48)
    if clicked is not None:
        st.session_state[near_key(inside)] = clicked
        st.rerun()
    near = st.session_state.get(near_key(inside))
    if near is not None and near in truth:
        st.markdown(f"**Nearest to image {near}** in the full space, by cosine")
        at = int(np.searchsorted(material.ids, int(near)))
        found_near = nearest_neighbors(material.last(), _NEAR, "cosine", np.array([at]))
        rows: list[tuple[int, float]] = list(
            zip(material.ids[found_near.indices[0]].tolist(), (1 - found_near.distances[0]).tolist(), strict=True)
        )
        image_gallery(
            inside,
            [Shown(i, truth[i], taken.get(i, -1), (f"cosine {cosine:.2f}",)) for i, cosine in rows],
            f"{_KEY}_nearest",
            thumb=48,
        )
