"""Space: the images as points where the network sees them, at any evaluation and through time."""

from __future__ import annotations

import streamlit as st

from engine.lab.projections.projection_inputs import Source
from engine.runs.store import Run
from ui.runs.run_bar import Inside, elsewhere, look_into, opened, same_images
from ui.runs.run_names import run_name, run_titles
from ui.shell.page import header, how_it_works, mistakes, nothing_yet
from ui.shell.remembered import keep, kept
from ui.shell.server import lab, projector
from ui.space.form import METHODS, before, chose, wanted
from ui.space.map_view import chosen_key, draw, travelling, trust
from ui.space.point_colors import COLORS
from ui.space.projection_job import gathered, projection
from ui.space.selection_view import selection
from ui.style import formatting

header("Space", "See each image as a point where the network sees it: what lies together looks alike to it.")
_KEY = "space"
_WORDS: dict[Source, str] = {
    "embeddings": "how the network sees it",
    "projections": "how the loss compares it",
    "pixels": "how the bare pixels have it",
}


def page(inside: Inside, others: list[Run]) -> None:
    source, request, sample, steps = wanted(inside)
    partial = (inside.run.config["data"].get("labels") or {}).get("kind") == "partial"
    answered = bool(len(inside.part(steps[-1], "test")[0]) or len(inside.part(steps[-1], "unlabeled")[0]))
    offered = [
        by
        for by in COLORS
        if (by != "candidates" or partial) and (by not in ("taken", "right", "confidence") or answered)
    ]
    left, right = st.columns(2)
    by = left.selectbox(
        "Color",
        offered,
        offered.index(before("color", offered[0], offered, inside.run.id)),
        format_func=lambda one: COLORS[one],
        key=f"{_KEY}_color",
    )
    chose("color", by, offered)
    titles = run_titles(others)
    place, choices = f"{_KEY}_beside", [None, *titles]
    beside = right.selectbox(
        "Beside it",
        choices,
        choices.index(kept(place, None, choices)),
        format_func=lambda run_id: titles[run_id] if run_id else "no other run",
        key=place,
    )
    keep(place, beside)
    material = gathered(inside, source, steps, sample)
    found = projection(inside, material, source, request, sample, steps, _KEY)
    if found is None:
        return
    chosen: list[int] | None = st.session_state.get(chosen_key(inside))
    name = material.key(source, request)
    travelling(inside, found, by)
    title, place = f"{METHODS[request.method]}: {_WORDS[source]}", f"{_KEY}_figure_{request.dimensions}"
    if beside is None:
        figure, images = st.columns([3, 2])
        with figure:
            draw(inside, found, steps[-1], by, title, place, name, chosen)
        with images:
            selection(inside, material, found, steps[-1])
    else:
        other = opened(next(run for run in others if run.id == beside))
        figure, second = st.columns(2)
        with figure:
            draw(inside, found, steps[-1], by, title, place, name, chosen)
        with second:
            theirs = [
                (
                    other.steps[-1]
                    if steps[-1] == inside.steps[-1]
                    else min(other.steps, key=lambda step: abs(step - steps[-1]))
                )
            ]
            same = None
            if source == "projections" and not other.has_projections():
                st.info("That run has no projection head: choose features or pixels.", icon=":material/scatter_plot:")
            else:
                same = projection(
                    other, gathered(other, source, theirs, sample), source, request, sample, theirs, f"{_KEY}_second"
                )
            if same is not None:
                draw(
                    other,
                    same,
                    theirs[-1],
                    by,
                    f"{run_name(other.run)} after step {formatting.count(theirs[-1])}",
                    f"{_KEY}_other_{request.dimensions}",
                    name,
                    chosen,
                )
        selection(inside, material, found, steps[-1])
    trust(found)


runs = [run for run in lab().store.runs() if run.folder.snapshot_steps()]
if not runs:
    nothing_yet(
        "No run has been evaluated yet. Start one, and its feature space can be looked at here.",
        ":material/scatter_plot:",
    )
else:
    projector().start()  # while a person reads: its libraries take seconds to load
    with mistakes():
        chosen_run = look_into(runs)
        if chosen_run is not None:
            elsewhere(
                chosen_run.run, ["pages/train.py", "pages/pseudo_labels.py", "pages/errors.py", "pages/predict.py"]
            )
            page(chosen_run, same_images(chosen_run, runs))

how_it_works(
    "Each evaluation keeps the features of a fixed sample of images, 64 or more numbers each. "
    "A projection puts them on a plane so that what is near stays near, as well as it can.",
    "PCA shows the directions of largest spread; distances keep their meaning. t-SNE and UMAP keep neighborhoods; sizes"
    " of clusters and gaps between them mean little. The two figures below say how far the image can be trusted.",
    "Papers: van der Maaten & Hinton 2008 (t-SNE); McInnes et al. 2018, arXiv:1802.03426 (UMAP); Venna & Kaski 2001"
    " (trustworthiness)",
)
