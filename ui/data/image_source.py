"""Where a person's images come from: a folder or archive on the machine, or an upload."""

from __future__ import annotations

import streamlit as st

from ui.forms.uploads import uploaded_images
from ui.shell.remembered import remember, remembered

_SOURCES = {"path": "On this machine", "files": "Upload files", "folder": "Upload a folder"}
_KEY = "data_source"


def choose_images() -> str:
    """The path of the images that were chosen, "" while there are none."""
    names = list(_SOURCES)
    source: str = (
        st.segmented_control(
            "Images",
            names,
            default=remembered(_KEY, "path", names),
            format_func=lambda name: _SOURCES[name],
            key=_KEY,
        )
        or "path"
    )
    remember(_KEY, source)
    if source == "path":
        typed: str = st.text_input(
            "Folder or archive",
            remembered("data_path", ""),
            key="data_path",
            max_chars=4096,
            placeholder="/home/me/photos or /home/me/photos.zip",
            help="A folder, or a zip or tar archive, on the machine that runs FewLab.",
        ).strip()
        remember("data_path", typed)
        return typed
    path = (
        uploaded_images("Images, with a table of labels if there is one, or one archive", "data_files")
        if source == "files"
        else uploaded_images("A folder of images", "data_folder", is_folder=True)
    )
    if path:
        remember("data_uploaded", path)
    return str(remembered("data_uploaded", ""))
