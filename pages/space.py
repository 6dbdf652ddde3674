"""Space: the images as points in the network's feature space, at any evaluation and over training."""

from __future__ import annotations

from functools import partial

import streamlit as st

from engine.analysis.evaluated_run import EvaluatedRun
from engine.analysis.projection import ProjectionRequest
from engine.lab.projections.projection_inputs import Sample, Source
from engine.runs.store import Run
from ui.runs.image_panel import image_panel
from ui.runs.run_bar import open_run, run_bar
from ui.runs.run_names import run_name
from ui.shell.page import empty_state, header, how_it_works, show_errors
from ui.shell.server import lab, projector
from ui.space.form import METHODS, space_form, stand_still
from ui.space.map_view import animation, map_view, travels
from ui.space.projection_job import projection, projection_inputs
from ui.space.selection_view import selection_view
from ui.space.trust_tiles import trust_tiles
from ui.style import formatting

header("Space", "Explore the feature space: images the network finds similar lie close together.")
_KEY = "space"
_TITLES: dict[Source, str] = {
    "embeddings": "network features",
    "projections": "projection-head output",
    "pixels": "raw pixels",
}


def map_of_other(
    other: EvaluatedRun, step: int, source: Source, request: ProjectionRequest, sample: Sample, by: str, revision: str
) -> None:
    """The same images as another run has them, with its predictions."""
    if source == "projections" and not other.has_projections:
        st.info("That run has no projection head: choose features or raw pixels.", icon=":material/scatter_plot:")
        return
    inputs = projection_inputs(other, source, [step], sample)
    projected = projection(other, inputs, source, request, sample, [step], f"{_KEY}_second")
    if projected is not None:
        title = f"{run_name(other.run)} after step {formatting.count(step)}"
        map_view(other, projected, step, by, title, key=f"{_KEY}_other_{request.dimensions}", revision=revision)


def page(run: EvaluatedRun, others: list[Run]) -> None:
    source, request, sample, steps, by, beside = space_form(run, others)
    step = steps[-1]
    inputs = projection_inputs(run, source, steps, sample)
    projected = projection(run, inputs, source, request, sample, steps, _KEY)
    if projected is None:
        return
    title, revision = f"{METHODS[request.method]} of {_TITLES[source]}", inputs.key(source, request)
    first, second = st.columns([3, 2] if beside is None else 2)
    with first:
        if travels(projected):
            animation(run, projected, by, title, partial(stand_still, run))
        else:
            map_view(run, projected, step, by, title, key=f"{_KEY}_figure_{request.dimensions}", revision=revision)
    if beside is not None:
        other = open_run(beside)
        is_last = step == run.steps[-1]
        nearest = other.steps[-1] if is_last else min(other.steps, key=lambda candidate: abs(candidate - step))
        with second:
            map_of_other(other, nearest, source, request, sample, by, revision)
    with second if beside is None else st.container():
        selection_view(run, inputs, projected, step, _KEY)
    trust_tiles(run, inputs, projected, request.metric, step, _KEY)
    image_panel(run, step, _KEY)


runs = [run for run in lab().store.runs() if run.folder.snapshot_steps()]
if not runs:
    empty_state("space", "No run has been evaluated yet. Start one, and its feature space can be explored here.")
else:
    projector().start()  # while the user reads: its libraries take seconds to load
    with show_errors():
        links = ["pages/train.py", "pages/pseudo_labels.py", "pages/errors.py", "pages/predict.py"]
        evaluated = run_bar(runs, links)
        if evaluated is not None:
            page(evaluated, evaluated.with_same_images(runs))

how_it_works(
    "Each evaluation stores the features of a fixed sample of images, 64 or more numbers each. A projection puts them"
    " on a plane so that similar images stay close, as far as that is possible.",
    "PCA shows the directions of largest variance; distances keep their meaning. t-SNE and UMAP preserve neighborhoods;"
    " sizes of clusters and gaps between them mean little. PaCMAP, an optional extra, keeps more of where clusters lie."
    " The two metrics below the figure say how far it can be trusted.",
    "Papers: van der Maaten & Hinton 2008 (t-SNE); McInnes et al. 2018, arXiv:1802.03426 (UMAP); Wang et al. 2021,"
    " JMLR 22(201) (PaCMAP); Venna & Kaski 2001 (trustworthiness)",
)
