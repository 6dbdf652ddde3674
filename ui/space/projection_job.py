"""A projection: read, or computed aside with progress and a way to cancel."""

from __future__ import annotations

from contextlib import suppress

import streamlit as st

from engine.analysis.projection import ProjectionRequest
from engine.errors import LabError, ProjectionCancelled
from engine.lab.projections.projection_inputs import Material, Sample, Source, gather
from engine.lab.projections.projection_queue import Job
from engine.runs.projections import Projection, read_projection
from engine.runs.store import Run
from ui.runs.run_bar import Inside
from ui.shell.server import projector
from ui.space.form import METHODS
from ui.style import formatting

_KEY = "space"


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
