"""All images of a folder or archive classified into one table, with progress; it can be paused and goes on later."""

from __future__ import annotations

import hashlib
from pathlib import Path

import streamlit as st

from engine.allowed_folders import allowed_folders
from engine.errors import FewLabError
from engine.lab.messages import PredictFolder
from engine.runs.store import Run
from ui.forms.background_job import BackgroundJob, new_progress_file
from ui.forms.uploads import uploaded_images
from ui.predict.folder_results import folder_results
from ui.shell.page import escape_markdown, guarded_fragment, redraw_page
from ui.shell.remembered import remember, remembered
from ui.shell.server import lab
from ui.style import formatting

_JOBS = "folder_predictions"  # in the session: table by job


def folder_view(run: Run, coverage: float) -> None:
    """Which images, how far they are, and what was found."""
    path, sort_into = _images()
    if not path:
        return
    table = _table(run, path, coverage)
    jobs: dict[Path, BackgroundJob] = st.session_state.setdefault(_JOBS, {})
    job = jobs.get(table)
    if job is not None and not job.future.done():
        _watch(job)
        return
    finished = False
    if job is not None:
        try:
            job.future.result()
            finished = True
        except FewLabError as error:
            st.warning(escape_markdown(str(error)), icon=":material/pause_circle:")
    if not finished:
        begun = job is not None or table.exists()
        if st.button("Go on" if begun else "Classify them", key="predict_folder_go", type="primary"):
            progress = new_progress_file(str(table))
            request = PredictFolder(str(run.folder.path), path, str(table), sort_into, coverage, str(progress))
            jobs[table] = BackgroundJob(lab().assistant.ask_later(request), progress)
            st.rerun()
    if table.exists():
        folder_results(run, path, table, coverage)


def _images() -> tuple[str, str]:
    """The folder or archive, "" while there is none, and where copies go, "" for nowhere."""
    here, upload = st.columns(2)
    path: str = here.text_input(
        "Folder or archive on this machine",
        remembered("predict_path", ""),
        key="predict_path",
        max_chars=4096,
        placeholder="/home/me/photos or /home/me/photos.zip",
    ).strip()
    remember("predict_path", path)
    with upload:
        path = uploaded_images("Or upload a folder", "predict_folder", is_folder=True) or path
    sort_into = ""
    if allowed_folders() is None:  # elsewhere nobody may write into the server's folders
        sort_into = st.text_input(
            "Copy the images into class folders in",
            key="predict_sort",
            max_chars=4096,
            placeholder="leave empty for no copies",
            help="A folder on this machine; it is made if it is not there. Nothing is moved.",
        ).strip()
    return path, sort_into


def _table(run: Run, path: str, coverage: float) -> Path:
    """One for each model, images and coverage: started again, a table goes on."""
    written = run.folder.model_file.stat().st_mtime_ns
    key = hashlib.sha256(f"{written} {path} {coverage}".encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return lab().store.prediction_table(run.id, key)


def _watch(job: BackgroundJob) -> None:
    def watch() -> None:
        if job.future.done():
            redraw_page()
        done, total = job.progress()
        bar, button = st.columns([5, 1], vertical_alignment="center")
        text = f"Classifying: {formatting.count(done)} of {formatting.count(total)}" if total else "Listing files …"
        bar.progress(done / total if total else 0.0, text=text)
        if button.button("Pause", key="predict_folder_pause", width="stretch"):
            job.cancel()

    guarded_fragment(watch, 1.0)()
