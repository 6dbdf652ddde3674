"""Images that must be read first, the user's own or a downloaded set: upload, progress, cancel, and the report of
what was read.
"""

from __future__ import annotations

import json
from typing import Any

import streamlit as st

from engine.data.importing.import_report import Report
from engine.errors import FewLabError
from engine.lab.messages import CountLabels, ImportImages, IsReady, LabelsGiven
from ui.forms.background_job import BackgroundJob, new_progress_file
from ui.forms.uploads import ARCHIVES, LARGEST_UPLOAD, stored_upload
from ui.shell.page import escape_markdown, guarded_fragment, redraw_page
from ui.shell.server import catalog, lab
from ui.style import formatting

Data = dict[str, Any]


def own_images(data: Data, key: str, label: str = "Or upload an archive with one folder of images per class") -> Data:
    """An upload beside the path: an archive is stored beside the runs, and the path points there."""
    uploaded = st.file_uploader(
        label,
        type=ARCHIVES,
        max_upload_size=LARGEST_UPLOAD,
        key=f"{key}_zip",
    )
    return data if uploaded is None else {**data, "path": stored_upload([uploaded])}


def prepared(data: Data, key: str = "train", tells: bool = True) -> bool:
    """Whether the images can be learned from now; if not, the button that reads them, or how far that is. key: prefix
    of the buttons' keys. tells: what was read is said once it is.
    """
    if not _is_read_first(data):
        return True
    running: dict[str, BackgroundJob] = st.session_state.setdefault("imports", {})
    name = _name(data)
    running_import = running.get(name)
    if running_import is not None and not running_import.future.done():
        _progress(running_import, key)
        return False
    if running_import is not None:
        running.pop(name)
        st.cache_data.clear()  # what was shown of these images may be of an earlier state of the folder
        try:
            st.session_state["import_report"] = (name, running_import.future.result())
        except FewLabError as error:
            st.error(escape_markdown(str(error)), icon=":material/broken_image:")
    if data["name"] == "folder" and not data["path"]:
        st.info("Give the path of a folder or archive of images, or upload an archive.", icon=":material/folder_open:")
        return False
    ready, sentence = _ready(name, data)[:2]
    if sentence:
        st.info(escape_markdown(sentence), icon=":material/folder_open:")
    elif not ready:
        if st.button("Read the images", key=f"{key}_import", icon=":material/download:", width="stretch"):
            running[name] = _start(name, data)
            st.rerun()
        st.caption("These images have not been read on this machine yet.")
    elif tells and data["name"] == "folder" and st.session_state.get("import_report", ("", None))[0] == name:
        _report(st.session_state["import_report"][1])
    return ready


def images_key(data: Data) -> str:
    """The name of `prepared` images in the cache."""
    return _ready(_name(data), data)[2]


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
def _ready(name: str, _data: Data) -> tuple[bool, str, str]:
    """Whether they are in the cache, what is wrong with the path if something is, and their name in the cache. Kept for
    a while: of fifty thousand files the listing alone takes half a second.
    """
    try:
        ready, key = lab().assistant.ask(IsReady(_data))
        return ready, "", key
    except FewLabError as error:
        return False, str(error), ""


def _start(name: str, data: Data) -> BackgroundJob:
    progress_file = new_progress_file(name)
    return BackgroundJob(lab().assistant.ask_later(ImportImages(data, str(progress_file))), progress_file)


def _progress(running_import: BackgroundJob, key: str) -> None:
    def watch() -> None:
        if running_import.future.done():
            redraw_page()
        done, total = running_import.progress()
        st.progress(
            done / total if total else 0.0,
            text=(f"Reading: {formatting.count(done)} of {formatting.count(total)}" if total else "Listing files …"),
        )
        if st.button("Cancel", key=f"{key}_import_cancel", width="stretch"):
            running_import.cancel()

    guarded_fragment(watch, 0.5)()


def _report(report: dict[str, Any] | None) -> None:
    if not report:
        return
    understood = Report(**report)
    skipped = sum(report["skipped"].values())
    said = (
        f"Read {formatting.count(report['read'])} images {understood.classes()} in"
        f" {formatting.duration(report['seconds'])}"
        + " ".join([f"; {formatting.count(skipped)} left out." if skipped else ".", *understood.sentences()])
    )
    st.caption(escape_markdown(said))
    if understood.duplicates:
        with st.expander("Images that are there twice"):
            st.dataframe(
                [{"file": first, "the same image": second} for first, second in understood.duplicates],
                hide_index=True,
                width="stretch",
            )
    if skipped:
        with st.expander("What the import left out, and why"):
            st.dataframe(
                [{"why": reason, "files": count} for reason, count in report["skipped"].items()],
                hide_index=True,
                width="stretch",
            )
            st.dataframe(
                [{"file": name, "why": why} for name, why in report["names"]], hide_index=True, width="stretch"
            )
