"""A projection: read, or computed aside with progress and a way to cancel."""

from __future__ import annotations

from contextlib import suppress

import streamlit as st

from engine.analysis.evaluated_run import EvaluatedRun, stamp
from engine.analysis.projection import ProjectionRequest
from engine.errors import LabError, ProjectionCancelled
from engine.lab.projections.projection_inputs import ProjectionInputs, Sample, Source, load_inputs
from engine.lab.projections.projection_queue import Job
from engine.runs.projections import Projection, read_projection
from ui.shell.page import guarded_fragment, redraw_page
from ui.shell.server import projector
from ui.space.form import METHODS
from ui.style import formatting

_JOBS, _CANCELLED = "space_jobs", "space_cancelled"


@st.cache_resource(max_entries=8, show_spinner=False)
def _inputs(
    run_id: str,
    written: tuple[object, ...],
    source: Source,
    steps: tuple[int, ...],
    sample: str,
    _run: EvaluatedRun,
    _sample: Sample,
) -> ProjectionInputs:
    return load_inputs(_run.folder.path, source, steps, _sample)


def projection_inputs(run: EvaluatedRun, source: Source, steps: list[int], sample: Sample) -> ProjectionInputs:
    """What is projected; read once for all tabs."""
    return _inputs(run.id, stamp(run.run), source, tuple(steps), sample.model_dump_json(), run, sample)


def projection(
    run: EvaluatedRun,
    inputs: ProjectionInputs,
    source: Source,
    request: ProjectionRequest,
    sample: Sample,
    steps: list[int],
    key: str,
) -> Projection | None:
    """The projection if it is there; else the button that computes it, or how far that is. PCA takes no time and is not
    asked for.
    """
    stored = read_projection(run.folder.path, inputs.key(source, request))
    if stored is not None:
        return stored
    name = f"{run.id} {inputs.key(source, request)}"
    # One that ended while another page was looked at is read from disk when it is asked for again.
    jobs: dict[str, Job] = {
        other: job for other, job in st.session_state.get(_JOBS, {}).items() if other == name or not job.done()
    }
    st.session_state[_JOBS] = jobs
    job = jobs.get(name)
    if job is not None and job.done():
        jobs.pop(name)
        try:
            return job.result()
        except ProjectionCancelled:
            job, st.session_state[_CANCELLED] = None, name
    is_quick = request.method == "pca"
    must_ask = job is None and (not is_quick or st.session_state.get(_CANCELLED) == name)
    if must_ask and not _is_wanted(request, len(inputs.ids), key):
        return None
    if job is None:
        job = projector().ask(run.folder.path, source, request, steps, sample)
        if is_quick:
            # Behind another projection it may have to wait: then with a bar and a way out.
            with st.spinner("Projecting …"), suppress(LabError):
                return job.result(3)
        jobs[name] = job
    _watch(job, jobs, key)
    return None


def _is_wanted(request: ProjectionRequest, points: int, key: str) -> bool:
    method = METHODS[request.method]
    takes = "" if request.method == "pca" else " It takes some seconds to half a minute for each evaluation."
    st.info(
        f"{method} of {formatting.count(points)} points has not been computed yet.{takes}",
        icon=":material/scatter_plot:",
    )
    return st.button(f"Compute {method}", key=f"{key}_compute", type="primary", icon=":material/play_arrow:")


def _watch(job: Job, jobs: dict[str, Job], key: str) -> None:
    """How far a job and those before it are, each with a button that cancels it."""

    def watch() -> None:
        if job.done():
            redraw_page()
        for one in [job, *(other for other in jobs.values() if other.number < job.number and not other.done())]:
            share, words = one.progress()
            whose = "" if one is job else f"Before it, {METHODS[one.message.request['method']]}: "
            st.progress(min(share, 1.0), text=f"{whose}{words} …")
            if st.button("Cancel", key=f"{key}_cancel_{one.number}"):
                one.cancel()
                st.rerun()

    guarded_fragment(watch, 0.5)()
