"""The Space page's form: which projection of which features, of which points, after which evaluation."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

import numpy as np
import streamlit as st

from engine.analysis.evaluated_run import EvaluatedRun
from engine.analysis.projection import Method, ProjectionRequest
from engine.lab.projections.projection_inputs import Sample, Source
from engine.runs.folder import PARTS
from engine.runs.store import Run
from ui.forms import schema_form as forms
from ui.runs.run_bar import remember_step, remembered_step
from ui.runs.run_names import run_titles
from ui.shell.remembered import one_of, read_query_param, remember, remembered, set_query_param
from ui.space.point_colors import COLORS, OF_PREDICTIONS
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


class SpaceChoice(NamedTuple):
    """What is drawn. steps: the evaluations that are projected together. by: what colors the points. beside: a run of
    the same images.
    """

    source: Source
    request: ProjectionRequest
    sample: Sample
    steps: list[int]
    by: str
    beside: Run | None


def space_form(run: EvaluatedRun, others: list[Run]) -> SpaceChoice:
    """Draw the form, two lines above the map; returns what is chosen now. others: runs of the same images."""
    controls = st.container(key="controls_space")
    first, second, third, fourth = controls.columns([5.5, 2.4, 4.6, 3], vertical_alignment="bottom", gap="small")
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
    with fourth:
        by = pick_color(run)
    evaluation, playing, further, beside = controls.columns([5, 2.4, 2, 4], vertical_alignment="bottom", gap="small")
    is_static = source == "pixels" or len(run.steps) < 2 or dimensions == 3
    animate = playing.toggle(
        "Animate",
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
    with further.popover("Settings", icon=":material/tune:", width="stretch"):
        settings, sample = more_settings(run, settings, sample)
    remember(f"{_KEY}_settings_{method}", settings)
    remember(f"{_KEY}_sample", sample)
    with evaluation:
        steps = pick_steps(run, animate)
    with beside:
        other = pick_other(others)
    return SpaceChoice(source, ProjectionRequest.parse(settings), Sample.parse(sample), steps, by, other)


def stand_still(run: EvaluatedRun, step: int) -> None:
    """Before the page runs again: the map after this evaluation in place of the animation."""
    st.session_state[f"{_KEY}_through_False"] = False
    remember(f"{_KEY}_through", False)
    remember_step(run, step)


def pick_color(run: EvaluatedRun) -> str:
    """What colors the points, of what the last evaluation can say."""
    is_partial = (run.config["data"].get("labels") or {}).get("kind") == "partial"
    has_predictions = any(len(run.predictions(run.steps[-1], part)) for part in ("test", "unlabeled"))
    offered = [
        by for by in COLORS if (by != "candidates" or is_partial) and (by not in OF_PREDICTIONS or has_predictions)
    ]
    before = offered.index(previous_choice("color", offered[0], offered, run.id))
    by: str = st.selectbox("Color", offered, before, format_func=lambda name: COLORS[name], key=f"{_KEY}_color")
    remember_choice("color", by, offered)
    return by


def pick_other(others: list[Run]) -> Run | None:
    """A run of the same images to see beside this one, if one is wanted."""
    titles = run_titles(others)
    state_key, choices = f"{_KEY}_beside", [None, *titles]
    chosen = st.selectbox(
        "Compare with",
        choices,
        choices.index(remembered(state_key, None, choices)),
        format_func=lambda run_id: titles[run_id] if run_id else "no other run",
        key=state_key,
    )
    remember(state_key, chosen)
    return next((run for run in others if run.id == chosen), None)


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
