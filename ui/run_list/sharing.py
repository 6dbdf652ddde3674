"""Runs that go to another FewLab, and runs that come from one."""

from __future__ import annotations

import tempfile
from pathlib import Path

import streamlit as st

from engine.lab.messages import OpenShared
from engine.runs.shared_file import ENDING, share
from engine.runs.store import Run
from engine.runs.stored_images import stored_images_of
from ui.forms.uploads import LARGEST_UPLOAD
from ui.runs.run_names import run_name
from ui.shell.page import escape_markdown, show_errors
from ui.shell.server import lab
from ui.style import formatting

_MADE, _OPENED = "share_made", "share_opened"  # in the session
_LARGEST = 500_000_000  # bytes of images that go through the browser


@st.dialog("Share")
def share_dialog(runs: list[Run]) -> None:
    """One file; with the images only if asked, because they are the person's own."""
    what = run_name(runs[0]) if len(runs) == 1 else f"{len(runs)} runs"
    st.markdown(
        f"**{escape_markdown(what)}** as one file for another FewLab: settings, curves, evaluations and the model. It"
        " opens on its page Runs, where it can be inspected, compared and used to classify images. The path of the"
        " images is among the settings."
    )
    with_images = st.toggle("With the images that were learned from", key="share_images")
    stored = [stored_images_of(run.folder) for run in runs] if with_images else []
    image_bytes = sum(one.images.nbytes for one in stored if one is not None)
    ids = [run.id for run in runs]
    name = ids[0] if len(ids) == 1 else "fewlab-runs"
    if image_bytes > _LARGEST:
        st.info(
            f"The images have {formatting.size(image_bytes)}: write the file with `python -m engine share"
            f" {' '.join(ids)} --with-images --to {name}{ENDING}`.",
            icon=":material/terminal:",
        )
        return
    with show_errors():
        if st.button("Make the file", type="primary", key="share_make"):
            st.session_state[_MADE] = (ids, with_images, _shared(runs, with_images))
        made = st.session_state.get(_MADE)
        if made is not None and made[:2] == (ids, with_images):
            st.download_button(
                f"Download ({formatting.size(len(made[2]))})",
                made[2],
                f"{name}{ENDING}",
                "application/zip",
                key="share_download",
                on_click="ignore",
                icon=":material/download:",
            )


def _shared(runs: list[Run], with_images: bool) -> bytes:
    with tempfile.TemporaryDirectory(prefix="fewlab-") as folder:
        file = Path(folder) / f"runs{ENDING}"
        share(runs, file, with_images)
        return file.read_bytes()


def open_shared_file() -> None:
    """An upload whose runs join the list."""
    uploaded = st.file_uploader(
        "A file that another FewLab made with Share",
        type=[ENDING.removeprefix(".")],
        max_upload_size=LARGEST_UPLOAD,
        key="runs_open",
    )
    if uploaded is None:
        return
    opened = st.session_state.setdefault(_OPENED, {})
    with show_errors():
        if uploaded.file_id not in opened:
            opened[uploaded.file_id] = None  # what is refused is not checked again with every click
            with tempfile.TemporaryDirectory(prefix="fewlab-") as folder, st.spinner("Checking its files …"):
                file = Path(folder) / f"shared{ENDING}"
                file.write_bytes(uploaded.getbuffer())
                opened[uploaded.file_id] = lab().assistant.ask(OpenShared(str(file), str(lab().store.root)))
            st.rerun()
        if opened[uploaded.file_id] is None:
            st.warning("This file was refused: remove it and choose another.", icon=":material/block:")
            return
        runs, before = opened[uploaded.file_id]
        said = f"{formatting.count(len(runs))} run{'' if len(runs) == 1 else 's'} opened"
        if before:
            said += f", {formatting.count(len(before))} were here already"
        st.success(f"{said}.", icon=":material/check:")
