"""Images that must be read first, the user's own or a downloaded set: upload, progress, cancel, and the report of
what was read.
"""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path
from typing import Any

import streamlit as st

from engine.data.importing.import_report import Report
from engine.data.labels.label_folders import label_folders
from engine.errors import FewLabError
from engine.lab.messages import CountLabels, ImportImages, IsReady, LabelsGiven
from engine.runs.atomic_write import write_bytes
from ui.forms.background_job import BackgroundJob, new_progress_file
from ui.shell.page import escape_markdown, guarded_fragment
from ui.shell.server import UPLOADS, catalog, lab
from ui.style import formatting

LARGEST_UPLOAD = 2_000  # megabytes
_KEEP = 24 * 3600  # seconds for which an uploaded archive waits for a run that is made from it
Data = dict[str, Any]


def own_images(data: Data, key: str, label: str = "Or upload a zip with one folder of images per class") -> Data:
    """An upload beside the path: the zip is stored beside the runs, under its own name in a folder named by its
    content's hash, and the path points there.
    """
    uploaded = st.file_uploader(
        label,
        type=["zip"],
        max_upload_size=LARGEST_UPLOAD,
        key=f"{key}_zip",
    )
    if uploaded is None:
        return data
    paths: dict[str, str] = st.session_state.setdefault("uploads_kept", {})
    if not Path(
        paths.get(uploaded.file_id, "")
    ).is_file():  # a large archive is read and hashed once, not with every click
        content = uploaded.getvalue()
        uploads = lab().store.root / UPLOADS
        path = uploads / hashlib.sha256(content).hexdigest()[:16] / _file_name(uploaded.name)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            _clear_out(uploads)
            write_bytes(path, content)
        else:
            path.touch()
        paths[uploaded.file_id] = str(path)
    return {**data, "path": paths[uploaded.file_id]}


def _clear_out(uploads: Path) -> None:
    """Delete the archives of earlier days that no run was made from and that were not labeled: a resumed run looks its
    archive up again.
    """
    root = lab().store.root
    needed = {Path(str(run.config["data"].get("path", ""))).parts[-2:] for run in lab().store.runs()}
    needed |= {Path(labeled.path).parts[-2:] for labeled in label_folders(root)}
    for archive in (*uploads.glob("*.zip"), *uploads.glob("*/*.zip")):  # once they lay there without a folder
        if archive.parts[-2:] not in needed and archive.stat().st_mtime < time.time() - _KEEP:
            archive.unlink(missing_ok=True)
            if archive.parent != uploads:
                archive.parent.rmdir()


def _file_name(name: str) -> str:
    """The archive's own name, as far as every file system can hold it."""
    stem = "".join(c if c.isalnum() or c in " ._-" else "_" for c in Path(name).stem).strip(" .")
    return f"{stem[:60] or 'images'}.zip"


def prepared(data: Data, tells: bool = True) -> bool:
    """Whether the images can be learned from now; if not, the button that reads them, or how far that is. tells: what
    was read is said once it is.
    """
    if not _is_read_first(data):
        return True
    running: dict[str, BackgroundJob] = st.session_state.setdefault("imports", {})
    name = _name(data)
    running_import = running.get(name)
    if running_import is not None and not running_import.future.done():
        _progress(running_import)
        return False
    if running_import is not None:
        running.pop(name)
        st.cache_data.clear()  # what was shown of these images may be of an earlier state of the folder
        try:
            st.session_state["import_report"] = (name, running_import.future.result())
        except FewLabError as error:
            st.error(escape_markdown(str(error)), icon=":material/broken_image:")
    ready, sentence = _ready(name, data)
    if sentence:
        st.info(escape_markdown(sentence), icon=":material/folder_open:")
    elif not ready:
        if st.button("Read the images", key="train_import", icon=":material/download:", width="stretch"):
            running[name] = _start(name, data)
            st.rerun()
        st.caption("These images have not been read on this machine yet.")
    elif tells and data["name"] == "folder" and st.session_state.get("import_report", ("", None))[0] == name:
        _report(st.session_state["import_report"][1])
    return ready


def labels_given(data: Data) -> LabelsGiven | None:
    """What labels the images came with; None while they have not been read, and of a set that the engine makes itself,
    which has all of them.
    """
    if not _is_read_first(data) or not _ready(_name(data), data)[0]:
        return None
    return _given(_name(data), data)


def _is_read_first(data: Data) -> bool:
    """Not a set without a path: the engine generates or ships it."""
    properties = catalog()["datasets"][data["name"]]["schema"]["properties"]
    return any(field.get("is_path") for field in properties.values())


def _name(data: Data) -> str:
    """Equal for settings under which the same images are read."""
    images = {part: value for part, value in data.items() if part not in ("labels", "split_seed", "validation")}
    return json.dumps(images, sort_keys=True)


@st.cache_data(max_entries=64, ttl=30, show_spinner=False)
def _given(name: str, _data: Data) -> LabelsGiven | None:
    try:
        return lab().assistant.ask(CountLabels(_data))
    except FewLabError:  # gone since it was asked for: `prepared` says so
        return None


@st.cache_data(max_entries=64, ttl=30, show_spinner=False)
def _ready(name: str, _data: Data) -> tuple[bool, str]:
    """Whether they are in the cache, and what is wrong with the path if something is."""
    try:
        return lab().assistant.ask(IsReady(_data)), ""
    except FewLabError as error:
        return False, str(error)


def _start(name: str, data: Data) -> BackgroundJob:
    progress_file = new_progress_file(name)
    return BackgroundJob(lab().assistant.ask_later(ImportImages(data, str(progress_file))), progress_file)


def _progress(running_import: BackgroundJob) -> None:
    def watch() -> None:
        if running_import.future.done():
            st.rerun()
        done, total = running_import.progress()
        st.progress(
            done / total if total else 0.0,
            text=(f"Reading: {formatting.count(done)} of {formatting.count(total)}" if total else "Listing files …"),
        )
        if st.button("Cancel", key="train_import_cancel", width="stretch"):
            running_import.cancel()

    guarded_fragment(watch, 0.5)()


def _report(report: dict[str, Any] | None) -> None:
    if not report:
        return
    understood = Report(**report)
    skipped = sum(report["skipped"].values())
    st.caption(
        f"Read {formatting.count(report['read'])} images {understood.classes()} in"
        f" {formatting.duration(report['seconds'])}"
        + " ".join([f"; {formatting.count(skipped)} left out." if skipped else ".", *understood.sentences()])
    )
    if understood.duplicates:
        with st.expander("Images that are there twice"):
            st.dataframe(
                [{"file": first, "the same image": second} for first, second in understood.duplicates],
                hide_index=True,
                width="stretch",
            )
    if skipped:
        with st.expander("What was left out, and why"):
            st.dataframe(
                [{"why": reason, "files": count} for reason, count in report["skipped"].items()],
                hide_index=True,
                width="stretch",
            )
            st.dataframe(
                [{"file": name, "why": why} for name, why in report["names"]], hide_index=True, width="stretch"
            )
