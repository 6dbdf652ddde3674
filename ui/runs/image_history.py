"""One image through all evaluations of a run: what was predicted, how confidently, and when that changed."""

from __future__ import annotations

import streamlit as st

from engine.analysis.evaluated_run import EvaluatedRun
from ui.components.gallery import image_uri
from ui.components.live_figure import live_figure
from ui.figures.pseudo_labels import history_figure
from ui.runs.image_gallery import GalleryImage, image_gallery
from ui.shell.page import escape_markdown
from ui.style import formatting

_LIKELIEST = 3  # classes that are named of one evaluation
_CHANGES = 12  # steps of changed predictions that are named


def image_history(
    run: EvaluatedRun, sample: int, step: int, key: str, *, threshold: float | None = None, narrow: bool = False
) -> None:
    """Nothing if the image is not in all evaluations. step: the evaluation whose prediction is spelled out. narrow: one
    below the other.
    """
    history = run.image_history(sample, step)
    if run.images is None or history is None:
        return
    names = run.class_names
    left, right = (st.container(), st.container()) if narrow else st.columns([1, 3])
    with left:
        st.markdown("**Image history**")
        st.image(image_uri(run.pixels(sample)), width=140)
        truth = history.true_label
        st.markdown(f"Image **{sample}**" + (f", true class **{escape_markdown(names[truth])}**" if truth >= 0 else ""))
        if (file_name := run.images.file_name(sample)) is not None:
            st.caption(escape_markdown(file_name))
        likeliest = history.likeliest(_LIKELIEST)
        st.markdown(
            f"After step {formatting.count(step)}: "
            + ", ".join(f"{escape_markdown(names[k])} {formatting.percent(share)}" for k, share in likeliest)
        )
        if threshold is not None:
            first = history.first_above(threshold)
            st.markdown(
                f"Above τ = {threshold:.2f} from step **{formatting.count(first)}** to the end."
                if first is not None
                else f"Below τ = {threshold:.2f} at the end."
            )
        changes = history.changed_at
        st.markdown(
            f"The prediction changed at step {', '.join(formatting.count(at) for at in changes[:_CHANGES])}"
            + (f" and {len(changes) - _CHANGES} more times." if len(changes) > _CHANGES else ".")
            if changes
            else "The prediction never changed."
        )
    with right:
        figure = history_figure(
            history.steps, history.confidence, history.labels, names, threshold, "Predicted class and confidence"
        )
        live_figure(figure, key=f"{key}_life", revision=f"{run.id} {sample}")
        if history.nearest:
            st.markdown("Nearest labeled images, in the network's features:")
            near = [GalleryImage(one.id, one.true_label, -1, (f"cos {one.cosine:.2f}",)) for one in history.nearest]
            image_gallery(run, near, f"{key}_near", thumb=48)
