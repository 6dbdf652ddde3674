"""Data: the user's own images, looked at before they are imported."""

from __future__ import annotations

import json
from typing import Any

import streamlit as st

from engine.data.importing.preview import Preview
from engine.lab.messages import PreviewFiles
from ui.data.image_source import choose_images
from ui.data.imported_view import first_config, imported_view
from ui.data.preview_view import choose_reading, preview_view
from ui.forms import schema_form as forms
from ui.forms.import_form import prepared
from ui.shell.page import empty_state, expander, header, how_it_works, show_errors
from ui.shell.server import catalog, lab

header("Data", "Bring your own images in: look at what was understood, then import them.")
_ASKED_ELSEWHERE = ("labels", "path", "labels_from", "label_column", "split_seed", "validation")


@st.cache_data(max_entries=16, ttl=60, show_spinner="Looking at the files …")
def _preview(name: str, _data: dict[str, Any]) -> Preview:
    return lab().assistant.ask(PreviewFiles(_data))


def preview_of(data: dict[str, Any]) -> Preview:
    return _preview(json.dumps(data, sort_keys=True), data)


def page(path: str) -> None:
    data: dict[str, Any] = {"name": "folder", "path": path}
    preview = preview_of(data)
    chosen = choose_reading(preview)
    if chosen:
        preview = preview_of({**data, **chosen})
    if preview.question is not None:
        st.info("The files can be read in several ways: choose one.", icon=":material/alt_route:")
        return
    preview_view(preview)
    config = first_config(preview)
    values = {**config["data"], **data, **chosen}
    if (more := expander("Size and fit", "data_settings")) is not None:
        with more:
            schema = catalog()["datasets"]["folder"]["schema"]
            kind = "labeled" if preview.classes else "unlabeled"
            values = forms.settings(schema, values, f"data_settings_{kind}", skip=_ASKED_ELSEWHERE)
    if prepared(values, "data"):
        imported_view({**config, "data": values}, bool(preview.classes))


path = choose_images()
if path:
    with show_errors():
        page(path)
else:
    empty_state(
        "data",
        "Choose a folder or an archive, or upload images: what is understood of them appears here, before anything is"
        " imported.",
        first_step=False,
    )
how_it_works(
    "One folder per class is understood, under any folders, with or without train, validation and test folders; images"
    " beside the class folders, or in a folder unlabeled, have no label. So is a table (CSV or TSV) with a column of"
    " file names and a column of classes, an export of Label Studio, CVAT, FiftyOne or COCO, the class in each file's"
    " name, and images without any label.",
    "The import decodes each image once, upright and at one size, into a cache from which every run begins. Your files"
    " are only read.",
)
