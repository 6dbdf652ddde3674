"""One image through all evaluations of a run: what it was taken for, how surely, and when that changed."""

from __future__ import annotations

import numpy as np
import streamlit as st

from ui.components.gallery import image_uri
from ui.components.live_figure import live_figure
from ui.figures.pseudo_labels import history_figure
from ui.runs.image_gallery import Shown, image_gallery
from ui.runs.run_bar import Inside
from ui.shell.page import plain
from ui.style import formatting

_GUESSES, _NEAREST = 3, 6  # that are named of one evaluation; labeled images beside it


def biography(
    inside: Inside, sample: int, part: str, step: int, key: str, *, threshold: float | None = None, narrow: bool = False
) -> None:
    """Nothing if the image is not in all evaluations. step: the evaluation whose answer is spelled out. narrow: one
    below the other.
    """
    lives = inside.lives(part)
    if inside.images is None or sample not in lives.ids:
        return
    at = int(np.searchsorted(lives.ids, sample))
    truth = int(inside.truth(lives.ids[at : at + 1])[0])
    left, right = (st.container(), st.container()) if narrow else st.columns([1, 3])
    with left:
        st.markdown("**The biography of one image**")
        st.image(image_uri(inside.pixels(sample)), width=140)
        st.markdown(f"Image **{sample}**" + (f", truly **{plain(inside.class_names[truth])}**" if truth >= 0 else ""))
        st.markdown(_answer(inside, sample, part, step))
        if threshold is not None:
            crossed = lives.crossed(at, threshold)
            st.markdown(
                f"At or above τ = {threshold:.2f} from step **{formatting.count(crossed)}** to the end."
                if crossed is not None
                else f"Below τ = {threshold:.2f} at the end."
            )
        flipped = lives.flipped_at(at)
        st.markdown(
            "It was never taken for another class than at first."
            if not flipped
            else f"Changed its class at step {', '.join(formatting.count(step) for step in flipped[:12])}."
        )
    with right:
        title = "What it was taken for, and how surely"
        figure = history_figure(
            lives.steps, lives.confidence[:, at], lives.labels[:, at], inside.class_names, threshold, title
        )
        live_figure(figure, key=f"{key}_life", revision=f"{inside.run.id} {sample}")
        near = inside.nearest_labeled(step, sample, _NEAREST)
        if near:
            st.markdown("The labeled images that it looks most like to the network:")
            truth_of = dict(
                zip([i for i, _ in near], inside.truth(np.array([i for i, _ in near])).tolist(), strict=True)
            )
            image_gallery(
                inside,
                [Shown(i, truth_of[i], -1, (f"cosine {cosine:.2f}",)) for i, cosine in near],
                f"{key}_near",
                thumb=48,
            )


def _answer(inside: Inside, sample: int, part: str, step: int) -> str:
    ids, probabilities = inside.part(step, part)
    row = probabilities[np.flatnonzero(ids == sample)[0]].astype(float)
    likeliest = np.argsort(-row, kind="stable")[:_GUESSES]
    return f"After step {formatting.count(step)}: " + ", ".join(
        f"{plain(inside.class_names[k])} {formatting.percent(row[k])}" for k in likeliest
    )
