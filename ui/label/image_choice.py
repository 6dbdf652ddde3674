"""Which images are labeled: those that were before, or others, read into the cache; and the features of all of them."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import streamlit as st

from engine.data.importing.image_cache import open_decoded
from engine.data.labels.label_folders import LabelFolder, label_folder, label_folders
from engine.data.labels.label_log import LabelLog
from engine.data.labels.labeling import Labeling
from engine.errors import FewLabError, LabelError
from engine.lab.messages import ComputeFeatures, FeatureFile, OpenDecoded
from ui.forms.background_job import BackgroundJob, new_progress_file
from ui.forms.import_form import own_images, prepared
from ui.shell.page import escape_markdown, guarded_fragment
from ui.shell.remembered import remember, remembered, set_query_param
from ui.shell.server import lab
from ui.style import formatting

BACKBONE = {"name": "efficientnet_lite", "init": "pretrained"}
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
    key = lab().assistant.ask(OpenDecoded(data))
    _loading_libraries()
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
    return data if data["path"] else None


@st.cache_resource(show_spinner=False)
def _loading_libraries() -> threading.Thread:
    """Once per server, aside: what the head is fitted with takes seconds to import, which the first label need not."""
    loading = threading.Thread(target=import_module, args=("sklearn.linear_model",), daemon=True, name="label-head")
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
    job = _feature_job(opened.key, opened.data)
    if not job.future.done():
        _watch(job)
        return False
    # Two threads that import parts of one package at once may each see the other's half done.
    _loading_libraries().join()
    try:
        opened.labeling.use_features(Path(job.future.result().path))
    except (FewLabError, OSError, ValueError) as error:
        st.warning(escape_markdown(str(error)), icon=":material/pause_circle:")
        if st.button("Go on", key="label_features_again"):
            _feature_job.clear()
            st.rerun()
        return False
    return True


@st.cache_resource(max_entries=8, show_spinner=False)
def _feature_job(key: str, _data: Data) -> BackgroundJob:
    file = new_progress_file(f"features {key}")
    request = ComputeFeatures(_data, BACKBONE, str(lab().store.root), str(file))
    future: Future[FeatureFile] = lab().assistant.ask_later(request)
    return BackgroundJob(future, file)


def _watch(job: BackgroundJob) -> None:
    began = time.monotonic(), job.progress()[0]

    def watch() -> None:
        if job.future.done():
            st.rerun()
        done, total = job.progress()
        seconds, new = time.monotonic() - began[0], done - began[1]
        left = f", {formatting.duration(seconds / new * (total - done))} left" if new > 0 else ""
        text = f"Computing features: {formatting.count(done)} of {formatting.count(total)}{left}. Label meanwhile."
        bar, button = st.columns([5, 1], vertical_alignment="center")
        bar.progress(done / total if total else 0.0, text=text if total else "Computing features …")
        if button.button("Pause", key="label_features_pause", width="stretch"):
            job.cancel()

    guarded_fragment(watch, 1.0)()
