"""Numbers that count images, and open them."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from engine.analysis.evaluated_run import EvaluatedRun
from engine.analysis.metrics import calibration_bin
from engine.analysis.most_confident import most_confident
from engine.analysis.thresholds import PseudoLabelSet
from ui.figures.classification import LAYERS
from ui.runs.image_gallery import predicted_images
from ui.runs.image_panel import show_images


def metric_of_images(label: str, value: str, key: str, **options: Any) -> bool:
    """A metric whose value can be pressed, and whether it was. options: those of st.metric."""
    with st.container(key=f"counted_{key}"):
        st.metric(label, value, **options)
        return st.button(f"Show images: {label}", key=f"show_counted_{key}", type="tertiary", width="stretch")


def show_predicted(
    run: EvaluatedRun, title: str, predicted: PseudoLabelSet, among: NDArray[np.bool_], page: str
) -> None:
    """Open those of the predictions that are `among` [N], the most confident first; an image that was predicted several
    times once.
    """
    images = predicted_images(predicted, most_confident(predicted.confidence, among))
    once = {image.id: image for image in reversed(images)}
    show_images(run, title, list(once.values())[::-1], page)


def of_histogram(
    predicted: PseudoLabelSet, edges: NDArray[np.float64], bar: list[Any], of: str = "confidence"
) -> tuple[str, NDArray[np.bool_]]:
    """What a bar of `confidence_histogram` counts, in words, and which predictions these are, bool [N]. of: what its
    axis has.
    """
    words, _, number, layer = bar
    layers = dict(zip(LAYERS, (predicted.correct, predicted.incorrect, predicted.truth < 0), strict=True))
    confidence = predicted.confidence.astype(float)
    below_end = (confidence < edges[number + 1]) | (number == len(edges) - 2)
    return f"{layer.capitalize()}, {of} {words}", layers[layer] & (confidence >= edges[number]) & below_end


def of_reliability(predicted: PseudoLabelSet, bar: list[Any]) -> tuple[str, NDArray[np.bool_]]:
    """The same of a bar of `reliability_diagram`: predictions with a known label."""
    words, _, _, number, _ = bar
    return f"Confidence {words}", (predicted.truth >= 0) & (calibration_bin(predicted.confidence) == number)
