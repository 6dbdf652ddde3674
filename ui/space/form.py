"""The Space page's form: which projection of which features, of which points, after which evaluation."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import streamlit as st

from engine.analysis.evaluated_run import EvaluatedRun
from engine.analysis.projection import Method, ProjectionRequest
from engine.lab.projections.projection_inputs import Sample, Source
from engine.runs.folder import PARTS
from ui.forms import schema_form as forms
from ui.runs.run_bar import remember_step, remembered_step
from ui.shell.page import expander
from ui.shell.remembered import one_of, read_query_param, remember, remembered, set_query_param
from ui.style import formatting

_KEY = "space"
_FRAMES = 40  # of an animation, at most
SOURCES: dict[Source, str] = {"embeddings": "network", "projections": "projection head", "pixels": "raw pixels"}
METHODS: dict[Method, str] = {"pca": "PCA", "umap": "UMAP", "tsne": "t-SNE", "pacmap": "PaCMAP"}


def previous_choice(name: str, default: Any, among: Collection[Any], run_id: str) -> Any:
    """What was chosen on this page before, or what a link to this run names."""
    read_query_param(name, f"{_KEY}_{name}", run_id, one_of(among))
    return remembered(f"{_KEY}_{name}", default, among)


def remember_choice(name: str, value: Any, among: Collection[Any]) -> None:
    """Remember a choice of this page, and let a link carry it."""
    is_fallback = value == next(iter(among)) and remembered(f"{_KEY}_{name}", value) not in among
    remember(f"{_KEY}_{name}", value, is_fallback)
    set_query_param(name, value)


def space_form(run: EvaluatedRun) -> tuple[Source, ProjectionRequest, Sample, list[int]]:
    """Draw the form; returns source, request, sample and steps as they are set now."""
    first, second, third = st.columns([5.5, 3, 5.8], vertical_alignment="bottom")
    method = previous_choice("projection", "pca", METHODS, run.id)
    method = (
        first.segmented_control(
            "Projection", list(METHODS), default=method, format_func=lambda name: METHODS[name], key=f"{_KEY}_method"
        )
        or "pca"
    )
    dimensions = previous_choice("dimensions", 2, (2, 3), run.id)
    dimensions = (
        second.segmented_control(
            "Dimensions", [2, 3], default=dimensions, format_func=lambda count: f"{count}-D", key=f"{_KEY}_dimensions"
        )
        or 2
    )
    sources = [name for name in SOURCES if name != "projections" or run.has_projections]
    source: Source = previous_choice("of", "embeddings", sources, run.id)
    source = (
        third.segmented_control(
            "Features",
            sources,
            default=source,
            format_func=lambda name: SOURCES[name],
            key=f"{_KEY}_source_{len(sources)}",
        )
        or "embeddings"
    )
    evaluation, playing = st.columns([5, 2], vertical_alignment="bottom")
    is_static = source == "pixels" or len(run.steps) < 2 or dimensions == 3
    animate = playing.toggle(
        "Animate over training",
        remembered(f"{_KEY}_through", False) and not is_static,
        key=f"{_KEY}_through_{is_static}",
        disabled=is_static,
        help="All evaluations are projected together: points travel instead of jumping.",
    )
    remember_choice("projection", method, METHODS)
    remember_choice("dimensions", dimensions, (2, 3))
    remember_choice("of", source, sources)
    if not is_static:
        remember(f"{_KEY}_through", animate)
    settings: dict[str, Any] = {
        **remembered(f"{_KEY}_settings_{method}", {}),
        "method": method,
        "dimensions": dimensions,
    }
    sample: dict[str, Any] = remembered(f"{_KEY}_sample", {})
    if (more := expander("More settings", f"{_KEY}_more")) is not None:
        with more:
            settings, sample = more_settings(run, settings, sample)
    remember(f"{_KEY}_settings_{method}", settings)
    remember(f"{_KEY}_sample", sample)
    with evaluation:
        steps = pick_steps(run, animate)
    return source, ProjectionRequest.parse(settings), Sample.parse(sample), steps


def pick_steps(run: EvaluatedRun, animate: bool) -> list[int]:
    """The evaluations that are projected: those of an animation, evenly spread, or one."""
    if animate:
        frames = np.linspace(0, len(run.steps) - 1, min(_FRAMES, len(run.steps))).astype(int)
        return [run.steps[i] for i in np.unique(frames)]
    if len(run.steps) == 1:
        return [run.steps[-1]]
    step = st.select_slider(
        "Evaluation after step",
        run.steps,
        remembered_step(run),
        key=f"{_KEY}_step_{run.id}",
        format_func=formatting.count,
    )
    return [remember_step(run, step)]


def more_settings(
    run: EvaluatedRun, settings: dict[str, Any], sample: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The method's own settings, and which points are drawn."""
    method: Method = settings["method"]
    changed = forms.settings(
        ProjectionRequest.model_json_schema(),
        {**ProjectionRequest().model_dump(), **settings},
        f"{_KEY}_{method}",
        skip=("method", "dimensions", *ProjectionRequest.unused(method)),
    )
    parts = st.multiselect("Images", PARTS, sample.get("parts", PARTS), key=f"{_KEY}_parts") or PARTS
    most = min(20_000, -(-run.sampled // 500) * 500)  # as many as the evaluations kept, in whole steps of the slider
    limit = sample.get("limit", 5_000)
    if most > 500:
        words = "All labeled images; of the others, each class in proportion."
        drawn = st.slider(
            "Maximum points", 500, most, min(limit, most), step=500, key=f"{_KEY}_limit_{most}", help=words
        )
        limit = drawn if drawn < most else max(limit, most)  # all of these may be fewer than are wanted of another run
    return changed, {"parts": parts, "limit": limit}
