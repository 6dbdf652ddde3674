"""Where a person's images come from: a folder or archive on the machine, or an upload."""

from __future__ import annotations

import streamlit as st

from ui.forms.uploads import LARGEST_UPLOAD, stored_upload
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
        path: str = st.text_input(
            "Folder or archive",
            remembered("data_path", ""),
            key="data_path",
            max_chars=4096,
            placeholder="/home/me/photos or /home/me/photos.zip",
            help="A folder, or a zip or tar archive, on the machine that runs FewLab.",
        ).strip()
        remember("data_path", path)
        return path
    if source == "files":
        files = st.file_uploader(
            "Images, with a table of labels if there is one, or one archive",
            accept_multiple_files=True,
            max_upload_size=LARGEST_UPLOAD,
            key="data_files",
        )
    else:
        files = st.file_uploader(
            "A folder of images",
            accept_multiple_files="directory",
            max_upload_size=LARGEST_UPLOAD,
            key="data_folder",
        )
    if files:
        with st.spinner("Storing the upload …"):
            remember("data_uploaded", stored_upload(files))
    return str(remembered("data_uploaded", ""))
