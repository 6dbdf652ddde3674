"""What learned features are worth: probes of one, five, ten and all labels on them, beside the same probes on what was
not learned.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

from engine.runs.store import Run
from ui.components.live_figure import live_figure
from ui.figures.classification import Bars, grouped_bars
from ui.style import colors, formatting

_FEATURES = (
    ("", "learned features", colors.RIGHT, ""),
    ("/first_weights", "the same network, untrained", colors.WRONG, "/"),
    ("/pixels", "raw pixels", colors.MUTED, "x"),
)
_BEGAN_WITH = "the features it began with"  # what the first weights are where they were not drawn at random
_LINEAR = {
    "linear_1_per_class": "1 per class",
    "linear_5_per_class": "5 per class",
    "linear_10_per_class": "10 per class",
    "linear_full": "all labels",
}
_NEAREST = {
    "knn_1_per_class": "1-NN, 1 per class",
    "knn_5_per_class": "1-NN, 5 per class",
    "knn_full": "20-NN, all labels",
}


def probe_bars(run: Run, key: str) -> None:
    """Nothing until a run without labels has been probed."""
    metrics = run.status.metrics
    groups = {name: title for name, title in _LINEAR.items() if f"test/{name}" in metrics}
    if not groups:
        return
    drawn = run.config["backbone"].get("init", "random") == "random"
    features = [
        (of, words if drawn or of != "/first_weights" else _BEGAN_WITH, color, pattern)
        for of, words, color, pattern in _FEATURES
    ]
    kinds = [kind for kind in features if any(f"test/{name}{kind[0]}" in metrics for name in groups)]
    bars = [
        Bars(title, [metrics.get(f"test/{name}{of}") for name in groups], color, pattern)
        for of, title, color, pattern in kinds
    ]
    figure = grouped_bars(
        "What the features are worth: a linear probe on them",
        list(groups.values()),
        bars,
        x_title="labels that the probe was given",
    )
    live_figure(figure, key=f"{key}_probes", revision=run.id, height=320)
    other = "the untrained network" if drawn else _BEGAN_WITH
    st.caption(
        f"On the test images, without augmentation. What a probe reaches on raw pixels or on {other} was not learned"
        " by this run."
    )
    with st.expander("All probes"):
        st.dataframe(_rows(metrics, kinds), hide_index=True, width="stretch")


def _rows(metrics: dict[str, float], kinds: list[tuple[str, str, str, str]]) -> list[dict[str, Any]]:
    probes = {**{name: f"linear, {title}" for name, title in _LINEAR.items()}, **_NEAREST}
    return [
        {"probe": title, **{words: formatting.percent(metrics.get(f"test/{name}{of}")) for of, words, _, _ in kinds}}
        for name, title in probes.items()
        if f"test/{name}" in metrics
    ]
