"""Space: the images as points where the network sees them, at any evaluation and through time."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import streamlit as st

from engine.analysis.neighbors import nearest_neighbors
from engine.analysis.projection import ProjectionRequest
from engine.errors import LabError, ProjectionCancelled
from engine.lab.projections.projection_inputs import Material, Sample, Source, gather
from engine.lab.projections.projection_queue import Job
from engine.runs.projections import Projection, read_projection
from engine.runs.store import Run
from ui.components.live_figure import live_figure
from ui.components.player import player
from ui.figures.space import scatter
from ui.runs.image_gallery import Shown, image_gallery
from ui.runs.run_bar import Inside, elsewhere, look_into, opened, same_images
from ui.runs.run_names import run_name, run_titles
from ui.shell.page import header, how_it_works, mistakes, nothing_yet
from ui.shell.remembered import keep, kept
from ui.shell.server import lab, projector
from ui.space.form import METHODS, before, chose, wanted
from ui.space.point_colors import COLORS, answers, coloring, tips
from ui.style import formatting

header("Space", "See each image as a point where the network sees it: what lies together looks alike to it.")
_KEY = "space"
_GALLERY, _NEAR = 60, 12
_WORDS: dict[Source, str] = {
    "embeddings": "how the network sees it",
    "projections": "how the loss compares it",
    "pixels": "how the bare pixels have it",
}


@st.cache_resource(max_entries=8, show_spinner=False)
def _gathered(
    run_id: str, stamp: tuple[int, int], source: Source, steps: tuple[int, ...], sample: str, _run: Run, _sample: Sample
) -> Material:
    return gather(_run.folder.path, source, steps, _sample)


def gathered(inside: Inside, source: Source, steps: list[int], sample: Sample) -> Material:
    return _gathered(inside.run.id, inside.stamp, source, tuple(steps), sample.model_dump_json(), inside.run, sample)


def projection(
    inside: Inside,
    material: Material,
    source: Source,
    request: ProjectionRequest,
    sample: Sample,
    steps: list[int],
    key: str,
) -> Projection | None:
    """The projection if it is there; else the button that computes it, or how far that is. PCA takes no time and is not
    asked for.
    """
    kept_one = read_projection(inside.run.folder.path, material.key(source, request))
    if kept_one is not None:
        return kept_one
    name = f"{inside.run.id} {material.key(source, request)}"
    # One that ended while another page was looked at is read from disk when it is asked for again.
    jobs: dict[str, Job] = {
        kept: job for kept, job in st.session_state.get(f"{_KEY}_jobs", {}).items() if kept == name or not job.done()
    }
    st.session_state[f"{_KEY}_jobs"] = jobs
    job = jobs.get(name)
    if job is not None and job.done():
        jobs.pop(name)
        try:
            return job.result()
        except ProjectionCancelled:
            job, st.session_state[f"{_KEY}_cancelled"] = None, name
    if job is None and (request.method != "pca" or st.session_state.get(f"{_KEY}_cancelled") == name):
        takes = "" if request.method == "pca" else " It takes some seconds to half a minute for each evaluation."
        st.info(
            f"{METHODS[request.method]} of {formatting.count(len(material.ids))} points has not been computed"
            f" yet.{takes}",
            icon=":material/scatter_plot:",
        )
        if not st.button(
            f"Compute {METHODS[request.method]}", key=f"{key}_compute", type="primary", icon=":material/play_arrow:"
        ):
            return None
    if job is None:
        job = projector().ask(inside.run.folder.path, source, request, steps, sample)
        if request.method == "pca":
            with (
                st.spinner("Projecting …"),
                suppress(LabError),
            ):  # behind another projection it may have to wait: then with a bar and a way out
                return job.result(3)
        jobs[name] = job

    @st.fragment(run_every=0.5)
    def watch(mine: Job) -> None:
        if mine.done():
            st.rerun()
        for one in [mine, *(other for other in jobs.values() if other.number < mine.number and not other.done())]:
            share, words = one.progress()
            whose = "" if one is mine else f"Before it, {METHODS[one.arguments['request']['method']]}: "
            st.progress(min(share, 1.0), text=f"{whose}{words} …")
            if st.button("Cancel", key=f"{key}_cancel_{one.number}"):
                one.cancel()
                st.rerun()

    watch(job)
    return None


def chosen_key(inside: Inside) -> str:
    """A selection is one of images: runs of the same ones share it."""
    return f"{_KEY}_chosen_{inside.content}"


def near_key(inside: Inside) -> str:
    """The one image whose neighbors are shown."""
    return f"{_KEY}_near_{inside.content}"


def draw(
    inside: Inside, found: Projection, step: int, by: str, title: str, key: str, revision: str, chosen: list[int] | None
) -> None:
    """The last frame as a figure, with the answers after `step`; what is surrounded or clicked becomes the selection of
    both figures.
    """
    taken, sure = answers(inside, step)
    labeled = (found.part == 0) & (np.bincount(found.part, minlength=4)[1:].sum() > 0)
    figure = scatter(
        found.frames[-1],
        found.ids,
        labeled,
        tips(inside, found, taken, sure),
        coloring(inside, found, by, taken, sure),
        title,
        chosen,
    )
    event = live_figure(
        figure, key=key, revision=revision, height=560, clickable=True, selectable=found.frames.shape[2] == 2
    )
    if event is None:
        return
    picked = event.get("selected") or ([event["customdata"][0]] if event.get("customdata") else [])
    st.session_state[chosen_key(inside)] = [int(sample) for sample in picked] or None
    st.session_state[near_key(inside)] = int(picked[0]) if len(picked) == 1 else None
    st.rerun()


def trust(found: Projection) -> None:
    left, right, third = st.columns(3)
    left.metric(
        "Trustworthiness",
        formatting.percent(float(found.trustworthiness[-1])),
        help=(
            "Of a point's neighbors in the image, how far they are neighbors in the full space too: 100 % is perfect,"
            " 50 % is chance."
        ),
    )
    right.metric(
        "Neighbors of the same class",
        formatting.percent(float(found.purity[-1])),
        help=(
            "Share of the nearest neighbors in the full space, not in the image, that have a point's own true class."
        ),
    )
    third.metric("Points", formatting.count(len(found.ids)))


def selection(inside: Inside, material: Material, found: Projection, step: int) -> None:
    chosen: list[int] | None = st.session_state.get(chosen_key(inside))
    if not chosen:
        st.caption("Surround points with the lasso, or click one, and their images appear here.")
        return
    taken, sure = answers(inside, step)
    truth = dict(zip(found.ids.tolist(), found.labels.tolist(), strict=True))
    here = [sample for sample in chosen if sample in truth]
    st.markdown(
        f"**{formatting.count(len(here))} chosen**"
        + (f", the first {_GALLERY} of them" if len(here) > _GALLERY else "")
    )
    if st.button("Forget the selection", key=f"{_KEY}_forget", type="tertiary"):
        st.session_state.pop(chosen_key(inside), None)
        st.session_state.pop(near_key(inside), None)
        st.rerun()
    shown = [
        Shown(
            sample, truth[sample], taken.get(sample, -1), (formatting.percent(sure[sample]),) if sample in sure else ()
        )
        for sample in here[:_GALLERY]
    ]
    clicked = image_gallery(inside, shown, f"{_KEY}_gallery", selected=st.session_state.get(near_key(inside)), thumb=48)
    if clicked is not None:
        st.session_state[near_key(inside)] = clicked
        st.rerun()
    near = st.session_state.get(near_key(inside))
    if near is not None and near in truth:
        st.markdown(f"**Nearest to image {near}** in the full space, by cosine")
        at = int(np.searchsorted(material.ids, int(near)))
        found_near = nearest_neighbors(material.last(), _NEAR, "cosine", np.array([at]))
        rows: list[tuple[int, float]] = list(
            zip(material.ids[found_near.indices[0]].tolist(), (1 - found_near.distances[0]).tolist(), strict=True)
        )
        image_gallery(
            inside,
            [Shown(i, truth[i], taken.get(i, -1), (f"cosine {cosine:.2f}",)) for i, cosine in rows],
            f"{_KEY}_nearest",
            thumb=48,
        )


def travelling(inside: Inside, found: Projection, by: str) -> None:
    if len(found.steps) < 2 or found.frames.shape[2] != 2:
        return
    taken, sure = answers(inside, int(found.steps[-1]))
    paint = coloring(inside, found, by if by != "confidence" else "truth", taken, sure)
    assert paint.groups is not None
    few = np.flatnonzero(found.part == 0)
    player(
        found.frames,
        found.steps.tolist(),
        paint.groups,
        paint.paints,
        paint.names,
        few if len(few) < len(found.ids) else few[:0],
        key=f"{_KEY}_player",
    )
    st.caption(
        "Colors are those of the last evaluation; the labeled images are rings."
        + ("" if by != "confidence" else " Confidence has no color here: the true classes do.")
    )


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
