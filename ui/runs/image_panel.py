"""The side panel: an image, the same on every page wherever it was clicked, or the images that a number counts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from engine.analysis.evaluated_run import EvaluatedRun, ImageHistory
from engine.runs.stored_images import StoredImages
from ui.components.gallery import GalleryItem, gallery, image_uri
from ui.components.live_figure import live_figure
from ui.figures.pseudo_labels import history_figure
from ui.runs.image_gallery import GalleryImage, image_gallery
from ui.runs.image_views import image_views
from ui.runs.run_bar import page_links
from ui.shell.page import escape_markdown, redraw_part, show_errors
from ui.style import colors, formatting

# In the session: the page, the run and the image that is open; and the page, the run, what a number there counts in
# words, and its images.
_OPEN, _LIST = "image_panel", "image_panel_list"
_STORED = "image_panel_stored"  # the gallery and the image that is open from it
_LISTED = 120  # images of a list that are drawn
_LARGE = 208  # screen pixels of the image
_LIKELIEST = 3  # classes that are named of one evaluation
_CHANGES = 12  # steps of changed predictions that are named
_LINKS = ["pages/train.py", "pages/pseudo_labels.py", "pages/space.py", "pages/errors.py", "pages/predict.py"]


def open_image(run: EvaluatedRun, page: str) -> int | None:
    """The image that is open on this page, to mark it in a gallery."""
    opened = st.session_state.get(_OPEN)
    return int(opened[2]) if opened is not None and opened[:2] == (page, run.id) else None


def show_image(run: EvaluatedRun, sample: int, page: str) -> None:
    """Open it from the page."""
    st.session_state.pop(_LIST, None)
    _go_to(run, sample, page)


def show_images(run: EvaluatedRun, title: str, images: Sequence[GalleryImage], page: str) -> None:
    """Open what a number on the page counts, of which any can be opened. title: what they are, in words."""
    st.session_state.pop(_OPEN, None)
    st.session_state[_LIST] = (page, run.id, title, tuple(images))
    redraw_part()


def image_panel(run: EvaluatedRun, step: int, page: str, *, threshold: float | None = None) -> None:
    """Draw the panel if something is open on this page; the last call of what the page draws again by itself, because a
    panel that is not drawn again is closed. step: the evaluation whose prediction is spelled out.
    """
    if run.images is not None and (open_image(run, page) is not None or _open_list(run, page) is not None):
        _panel(run, step, page, threshold)


def stored_image_panel(images: StoredImages, clicked: int | None, place: str) -> None:
    """The same place for an image of which no evaluation is at hand: large, with what is known of it. It stays open
    when the page is drawn again. clicked: the image that was just clicked in the gallery `place`.
    """
    if clicked is not None:
        st.session_state[_STORED] = (place, clicked)
    opened = st.session_state.get(_STORED)
    if opened is not None and opened[0] == place and images.has(np.array([opened[1]])).all():
        _stored_panel(images, int(opened[1]))


def _close_stored() -> None:
    st.session_state.pop(_STORED, None)


@st.dialog("Images", width=460, position="right", on_dismiss=_close_stored)
def _stored_panel(images: StoredImages, sample: int) -> None:
    with show_errors(), st.container(key="image_panel"):
        row = int(images.rows(np.asarray([sample]))[0])
        _large(images, sample, np.asarray(images.images[row]), int(images.labels[row]))


def _go_to(run: EvaluatedRun, sample: int, page: str) -> None:
    st.session_state[_OPEN] = (page, run.id, sample)
    redraw_part()


def _open_list(run: EvaluatedRun, page: str) -> tuple[str, tuple[GalleryImage, ...]] | None:
    opened = st.session_state.get(_LIST)
    return (opened[2], opened[3]) if opened is not None and opened[:2] == (page, run.id) else None


def _close() -> None:
    st.session_state.pop(_OPEN, None)
    st.session_state.pop(_LIST, None)


@st.dialog("Images", width=460, position="right", on_dismiss=_close)
def _panel(run: EvaluatedRun, step: int, page: str, threshold: float | None) -> None:
    sample, listed = open_image(run, page), _open_list(run, page)
    with show_errors(), st.container(key="image_panel"):
        if sample is not None:
            if listed is not None and st.button(
                f"All {formatting.count(len(listed[1]))} images",
                key="panel_back",
                icon=":material/arrow_back:",
                type="tertiary",
            ):
                st.session_state.pop(_OPEN)
                redraw_part()
            _image(run, sample, step, page, threshold)
        elif listed is not None:
            _images(run, *listed, page)


def _images(run: EvaluatedRun, title: str, images: tuple[GalleryImage, ...], page: str) -> None:
    st.markdown(f"**{title}**: {formatting.count(len(images))}")
    if len(images) > _LISTED:
        st.caption(f"The first {_LISTED}.")
    if not images:
        st.caption("None.")
        return
    clicked = image_gallery(run, images[:_LISTED], "panel_list")
    if clicked is not None:
        _go_to(run, clicked, page)


def _image(run: EvaluatedRun, sample: int, step: int, page: str, threshold: float | None) -> None:
    assert run.images is not None
    _large(run.images, sample, run.pixels(sample), run.true_label(sample))
    history = run.image_history(sample, step)
    if history is None:
        st.caption("It is not among the images that every evaluation predicts, so it has no history here.")
    else:
        _history(run, history, step, threshold)
        _nearest(run, history, page)
    image_views(run, sample)
    page_links(run, _LINKS, key="panel")


def _large(images: StoredImages, sample: int, pixels: NDArray[np.uint8], truth: int) -> None:
    """pixels: uint8 [C, H, W]. truth: its true class, -1 where it is unknown."""
    gallery(
        [GalleryItem(sample, image_uri(pixels), (), colors.MUTED)], key="panel_image", thumb=_LARGE, is_clickable=False
    )
    words = f"Image **{sample}** · {pixels.shape[2]} x {pixels.shape[1]} px"
    if truth >= 0:
        words += f" · true class **{escape_markdown(images.class_names[truth])}**"
    st.markdown(words)
    if (file_name := images.file_name(sample)) is not None:
        st.caption(escape_markdown(file_name))


def _history(run: EvaluatedRun, history: ImageHistory, step: int, threshold: float | None) -> None:
    names = run.class_names
    st.markdown(
        f"After step {formatting.count(step)}: "
        + ", ".join(
            f"**{escape_markdown(names[k])}** ({formatting.percent(share)})"
            for k, share in history.likeliest(_LIKELIEST)
        )
    )
    figure = history_figure(
        history.steps, history.confidence, history.labels, names, threshold, "Predicted class and confidence"
    )
    live_figure(figure, key="panel_history", revision=f"{run.id} {history.id}", height=300)
    said = []
    if threshold is not None:
        first = history.first_above(threshold)
        said.append(
            f"Above τ = {threshold:.2f} from step {formatting.count(first)} to the end."
            if first is not None
            else f"Below τ = {threshold:.2f} at the end."
        )
    changes = history.changed_at
    said.append(
        f"The prediction changed at step {', '.join(formatting.count(at) for at in changes[:_CHANGES])}"
        + (f" and {len(changes) - _CHANGES} more times." if len(changes) > _CHANGES else ".")
        if changes
        else "The prediction never changed."
    )
    st.caption(" ".join(said))


def _nearest(run: EvaluatedRun, history: ImageHistory, page: str) -> None:
    if not history.nearest:
        return
    st.markdown("**Nearest labeled images**, in the network's features")
    near = [GalleryImage(one.id, one.true_label, -1, (f"cos {one.cosine:.2f}",)) for one in history.nearest]
    clicked = image_gallery(run, near, "panel_nearest", thumb=52)
    if clicked is not None:
        _go_to(run, clicked, page)
