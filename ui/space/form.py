"""What a person asks for on the Space page: which projection of what, of which points, after which evaluation."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import streamlit as st

from engine.analysis.projection import ProjectionRequest
from engine.lab.projections.projection_inputs import Sample, Source
from engine.runs.folder import PARTS
from ui.forms import schema_form as forms
from ui.runs.run_bar import Inside, keep_step, kept_step
from ui.shell.page import folded
from ui.shell.remembered import address, follow, keep, kept, one_of
from ui.style import formatting

_KEY = "space"
_FRAMES = 40
SOURCES: dict[Source, str] = {"embeddings": "features", "projections": "projected", "pixels": "pixels"}
METHODS = {"pca": "PCA", "umap": "UMAP", "tsne": "t-SNE"}


def before(name: str, default: Any, among: Collection[Any], run_id: str) -> Any:
    """What was chosen on this page before, or what a link to this run names."""
    follow(name, f"{_KEY}_{name}", run_id, one_of(among))
    return kept(f"{_KEY}_{name}", default, among)


def chose(name: str, value: Any, among: Collection[Any]) -> None:
    """Remember a choice of this page, and let a link carry it."""
    stands_in = value == next(iter(among)) and kept(f"{_KEY}_{name}", value) not in among
    keep(f"{_KEY}_{name}", value, stands_in)
    address(name, value)


def wanted(inside: Inside) -> tuple[Source, ProjectionRequest, Sample, list[int]]:
    """What the person asks for: source, request, sample and steps."""
    first, second, third, fourth = st.columns([4, 3, 5, 3], vertical_alignment="bottom")
    run_id = inside.run.id
    method = before("projection", "pca", METHODS, run_id)
    method = (
        first.segmented_control(
            "Projection", list(METHODS), default=method, format_func=lambda one: METHODS[one], key=f"{_KEY}_method"
        )
        or "pca"
    )
    dimensions = before("dimensions", 2, (2, 3), run_id)
    dimensions = (
        second.segmented_control(
            "Space", [2, 3], default=dimensions, format_func=lambda count: f"{count}-D", key=f"{_KEY}_dimensions"
        )
        or 2
    )
    offered = [one for one in SOURCES if one != "projections" or inside.has_projections()]
    source: Source = before("of", "embeddings", offered, run_id)
    source = (
        third.segmented_control(
            "Of", offered, default=source, format_func=lambda one: SOURCES[one], key=f"{_KEY}_source_{len(offered)}"
        )
        or "embeddings"
    )
    still = source == "pixels" or len(inside.steps) < 2 or dimensions == 3
    through = fourth.toggle(
        "Through time",
        kept(f"{_KEY}_through", False) and not still,
        key=f"{_KEY}_through_{still}",
        disabled=still,
        help="All evaluations in one plane: points travel instead of jumping.",
    )
    chose("projection", method, METHODS)
    chose("dimensions", dimensions, (2, 3))
    chose("of", source, offered)
    if not still:
        keep(f"{_KEY}_through", through)
    settings: dict[str, Any] = {**kept(f"{_KEY}_settings_{method}", {}), "method": method, "dimensions": dimensions}
    sample: dict[str, Any] = kept(f"{_KEY}_sample", {})
    if (more := folded("More settings", f"{_KEY}_more")) is not None:
        with more:
            settings, sample = details(inside, settings, sample)
    keep(f"{_KEY}_settings_{method}", settings)
    keep(f"{_KEY}_sample", sample)
    if through:
        steps = [
            inside.steps[i]
            for i in np.unique(np.linspace(0, len(inside.steps) - 1, min(_FRAMES, len(inside.steps))).astype(int))
        ]
    elif len(inside.steps) > 1:
        step = st.select_slider(
            "Evaluation after step",
            inside.steps,
            kept_step(inside),
            key=f"{_KEY}_step_{inside.run.id}",
            format_func=formatting.count,
        )
        steps = [keep_step(inside, step)]
    else:
        steps = [inside.steps[-1]]
    return source, ProjectionRequest.parse(settings), Sample.parse(sample), steps


def details(inside: Inside, settings: dict[str, Any], sample: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The method's own settings, and which points are drawn."""
    method = settings["method"]
    skip = {
        "pca": ("perplexity", "neighbors", "min_dist", "seed"),
        "umap": ("perplexity",),
        "tsne": ("neighbors", "min_dist"),
    }[method]
    changed = forms.settings(
        ProjectionRequest.model_json_schema(),
        {**ProjectionRequest().model_dump(), **settings},
        f"{_KEY}_{method}",
        skip=("method", "dimensions", *skip),
    )
    parts = st.multiselect("Images", PARTS, sample.get("parts", PARTS), key=f"{_KEY}_parts") or PARTS
    most = min(20_000, -(-inside.sampled // 500) * 500)  # as many as the evaluations kept, in whole steps of the slider
    limit = sample.get("limit", 5_000)
    if most > 500:
        words = "All labeled ones, and of the others each class its share."
        drawn = st.slider(
            "Points, at most", 500, most, min(limit, most), step=500, key=f"{_KEY}_limit_{most}", help=words
        )
        limit = drawn if drawn < most else max(limit, most)  # all of these may be fewer than are wanted of another run
    return changed, {"parts": parts, "limit": limit}
