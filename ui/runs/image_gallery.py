"""Galleries of a run's own images: what each is and what was predicted, correct or not by border, stroke and word."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import streamlit as st

from engine.analysis.evaluated_run import EvaluatedRun
from engine.analysis.thresholds import PseudoLabelSet
from ui.components.gallery import GalleryItem, gallery, image_uri
from ui.style import colors, formatting


class GalleryImage(NamedTuple):
    """An image by its sample id, its true class (-1 unknown), its predicted class (-1 none), and further lines of its
    caption.
    """

    id: int
    true_label: int
    predicted: int
    lines: tuple[str, ...] = ()


def predicted_images(predicted: PseudoLabelSet, positions: Iterable[int]) -> list[GalleryImage]:
    """The images at these positions, each with its confidence."""
    return [
        GalleryImage(
            int(predicted.ids[i]),
            int(predicted.truth[i]),
            int(predicted.labels[i]),
            (formatting.percent(float(predicted.confidence[i])),),
        )
        for i in positions
    ]


def image_gallery(
    run: EvaluatedRun, images: Sequence[GalleryImage], key: str, *, selected: int | None = None, thumb: int = 64
) -> int | None:
    """Returns the id of an image that was clicked, once, else None."""
    if run.images is None:
        st.caption("The images themselves are not on this machine.")
        return None
    items = []
    for image in images:
        label = image.predicted if image.predicted >= 0 else image.true_label
        truth = image.true_label if image.predicted >= 0 else -1
        items.append(captioned(image.id, image_uri(run.pixels(image.id)), label, truth, run.class_names, image.lines))
    return gallery(items, key=key, thumb=thumb, selected=selected)


def captioned(
    item_id: int, uri: str, label: int, true_label: int, class_names: Sequence[str], lines: Sequence[str] = ()
) -> GalleryItem:
    """An image under its label; where the true label is known (not -1), marked as correct or with what it truly is."""
    name = class_names[label] if label >= 0 else "unknown"
    if true_label < 0:
        return GalleryItem(item_id, uri, (name, *lines), colors.UNKNOWN)
    if label == true_label:
        return GalleryItem(item_id, uri, (f"✓ {name}", *lines), colors.RIGHT)
    verdict = (f"✗ {name}", f"true: {class_names[true_label]}")
    return GalleryItem(item_id, uri, (*verdict, *lines), colors.WRONG, "dashed")
