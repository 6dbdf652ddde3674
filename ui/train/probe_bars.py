"""What learned features are worth: linear probes on them with few and with all labels, beside the same probes on
features that were not learned.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

from engine.metrics import Metric
from engine.runs.store import Run
from ui.components.live_figure import live_figure
from ui.figures.classification import Bars, grouped_bars
from ui.runs.metrics import declared_metrics
from ui.style import colors, formatting

_LEARNED = "learned features"
_FEATURES = (
    ("", _LEARNED, colors.RIGHT, ""),
    ("/first_weights", "random initialization", colors.WRONG, "/"),
    ("/pixels", "raw pixels", colors.MUTED, "x"),
)
_INITIAL = "initial features"  # of a network whose weights were not drawn at random
_LINEAR, _NEAREST = "test/linear_", "test/knn_"


def probe_bars(run: Run, key: str) -> None:
    """Nothing until a run without labels has been probed."""
    values = run.status.metrics
    probes = [m for name, m in declared_metrics().items() if name.startswith((_LINEAR, _NEAREST)) and name in values]
    linear = [metric for metric in probes if metric.name.startswith(_LINEAR)]
    if not linear:
        return
    is_random = run.config["backbone"].get("init", "random") == "random"
    features = [
        (suffix, title if is_random or suffix != "/first_weights" else _INITIAL, color, pattern)
        for suffix, title, color, pattern in _FEATURES
        if any(f"{metric.name}{suffix}" in values for metric in linear)
    ]
    bars = [
        Bars(title, [values.get(f"{metric.name}{suffix}") for metric in linear], color, pattern)
        for suffix, title, color, pattern in features
    ]
    figure = grouped_bars(
        "Linear probes: accuracy of a linear classifier on the features",
        [metric.title.removeprefix("Linear probe, ") for metric in linear],
        bars,
        x_title="labels given to the probe",
    )
    live_figure(figure, key=f"{key}_probes", revision=run.id, height=320)
    other = "a randomly initialized network" if is_random else "its initial features"
    st.caption(
        f"On the test images, without augmentation. What a probe reaches on raw pixels or on {other} was not learned by"
        " this run."
    )
    with st.expander("All probes"):
        st.dataframe(_rows(probes, values, [(suffix, title) for suffix, title, _, _ in features]), hide_index=True)


def _rows(probes: list[Metric], values: dict[str, float], features: list[tuple[str, str]]) -> list[dict[str, Any]]:
    ordered = sorted(probes, key=lambda metric: not metric.name.startswith(_LINEAR))
    return [
        {
            "probe": metric.title,
            **{title: formatting.percent(values.get(f"{metric.name}{suffix}")) for suffix, title in features},
        }
        for metric in ordered
    ]
