"""Which images are labeled: those that were before, or others, read into the cache; and the features of all of them."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import streamlit as st

from engine.data.importing.image_cache import open_decoded
from engine.data.labels.label_folders import LabelFolder, label_folder, label_folders
from engine.data.labels.label_log import LabelLog
from engine.data.labels.labeling import Labeling
from engine.errors import LabelError
from ui.forms.feature_job import features_file
from ui.forms.import_form import images_key, own_images, prepared
from ui.shell.page import empty_state, escape_markdown
from ui.shell.remembered import remember, remembered, set_query_param
from ui.shell.server import lab

_OTHERS = "Other images …"
_SIDES = (32, 64, 96, 128, 160, 224)
_FITS = {"crop": "the middle square", "pad": "the whole image, padded", "squash": "the whole image, stretched"}
Data = dict[str, Any]


@dataclass(frozen=True)
class OpenSet:
    """Images that are open for labeling. data: their settings without labels."""

    data: Data
    folder: Path
    key: str
    labeling: Labeling


def choose_images() -> OpenSet | None:
    """The picker, and what it takes until the chosen images can be labeled; None until then. The page's address names
    the choice.
    """
    _loading_libraries()
    root = lab().store.root
    known = {one.folder.name: one for one in label_folders(root)}
    choice = _OTHERS
    if known:
        names = [one.name for one in known.values()]
        linked = st.query_params.get("images")
        first = linked if linked in known else remembered("label_images", next(iter(known)), {*known, _OTHERS})
        options = [*known, _OTHERS]
        choice = st.selectbox(
            "Images",
            options,
            options.index(first),
            format_func=lambda option: _shown(known[option], names) if option in known else option,
            key=f"label_images_{linked}",
            label_visibility="collapsed",
        )
        remember("label_images", choice)
        if linked is not None and choice != linked:
            set_query_param("images", None)
            st.rerun()
    data = _other_images() if choice == _OTHERS else known[choice].data
    if data is None or not prepared(data, "label", tells=False):
        return None
    folder = label_folder(root, data)
    if choice == _OTHERS:
        remember("label_images", folder.name)
        st.rerun()
    key = images_key(data)
    return OpenSet(data, folder, key, _labeling(key, str(folder)))


def _shown(one: LabelFolder, names: list[str]) -> str:
    """Of two folders of one name the path is shown as well."""
    return one.name if names.count(one.name) == 1 else f"{one.name} ({one.path})"


def _other_images() -> Data | None:
    path = st.text_input(
        "Folder or zip archive on this machine",
        key="label_path",
        placeholder="for example /home/me/photos",
        help="Labels are not needed: all images in it, in any folders, can be labeled here.",
    )
    sides, fits = st.columns(2)
    size = sides.select_slider(
        "Size", _SIDES, 224, key="label_size", format_func=lambda side: f"{side} px", help="224 for photos."
    )
    fit = fits.selectbox("Shown", list(_FITS), 2, format_func=_FITS.__getitem__, key="label_fit")
    data: Data = {"name": "folder", "path": path.strip(), "size": size, "fit": fit}
    data = own_images(data, "label", "Or upload a zip of images")
    if data["path"]:
        return data
    empty_state("label", "Name a folder of images or upload a zip: those worth a label come first.", first_step=False)
    return None


@st.cache_resource(show_spinner=False)
def _loading_libraries() -> threading.Thread:
    """Once per server, aside: what fits the head and finds groups takes seconds to import, which the first label need
    not.
    """

    def load() -> None:
        for name in ("sklearn.linear_model", "sklearn.cluster", "scipy.spatial.distance"):
            import_module(name)

    loading = threading.Thread(target=load, daemon=True, name="label-head")
    loading.start()
    return loading


@st.cache_resource(max_entries=8, show_spinner=False)
def _labeling(key: str, folder: str) -> Labeling:
    found = open_decoded(key, frozenset())
    if found is None or not found.images.file_names:
        raise LabelError("These images were removed from the cache: read them again.")
    return Labeling(found.images, LabelLog(Path(folder)))


def features_ready(opened: OpenSet) -> bool:
    """Whether the features are there; until then their progress is shown, and the page drawn again at the end."""
    if opened.labeling.has_features:
        return True
    path = features_file(opened.key, opened.data, "label", "Label meanwhile.")
    if path is None:
        return False
    # Two threads that import parts of one package at once may each see the other's half done.
    _loading_libraries().join()
    try:
        opened.labeling.use_features(path)
    except (OSError, ValueError) as error:
        st.warning(escape_markdown(str(error)), icon=":material/pause_circle:")
        return False
    return True
