"""Which images are selected on the Space page. A selection is one of images: runs of the same ones share it."""

from __future__ import annotations

import streamlit as st

from engine.analysis.evaluated_run import EvaluatedRun


def selected_images(run: EvaluatedRun) -> list[int] | None:
    """Ids; None where nothing is selected."""
    selected: list[int] | None = st.session_state.get(_selected_key(run))
    return selected


def open_image(run: EvaluatedRun) -> int | None:
    """The one image whose neighbors are shown."""
    image: int | None = st.session_state.get(_open_key(run))
    return image


def select_images(run: EvaluatedRun, ids: list[int]) -> None:
    """A single image is opened, too."""
    st.session_state[_selected_key(run)] = ids or None
    st.session_state[_open_key(run)] = ids[0] if len(ids) == 1 else None


def show_neighbors_of(run: EvaluatedRun, image: int) -> None:
    st.session_state[_open_key(run)] = image


def clear_selection(run: EvaluatedRun) -> None:
    st.session_state.pop(_selected_key(run), None)
    st.session_state.pop(_open_key(run), None)


def _selected_key(run: EvaluatedRun) -> str:
    return f"space_chosen_{run.content}"


def _open_key(run: EvaluatedRun) -> str:
    return f"space_near_{run.content}"
