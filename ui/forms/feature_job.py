"""Features of a person's images: computed by the assistant while the page goes on, with progress and a pause."""

from __future__ import annotations

import time
from concurrent.futures import Future, wait
from pathlib import Path
from typing import Any

import streamlit as st

from engine.errors import FewLabError
from engine.lab.messages import ComputeFeatures, FeatureFile
from engine.presets import PHOTO_NETWORK
from ui.forms.background_job import BackgroundJob, new_progress_file
from ui.shell.page import escape_markdown, guarded_fragment, redraw_page
from ui.shell.server import lab
from ui.style import formatting

Data = dict[str, Any]
_AT_ONCE = 1.0  # seconds; where the features are kept already, no progress is worth showing


def features_file(key: str, data: Data, page: str, meanwhile: str = "") -> Path | None:
    """The file of features of all images; None until it is there, and its progress is shown and the page drawn again at
    the end.

    key: the images' name in the cache. data: the config's part. page: what names of widgets begin with. meanwhile: a
    sentence on what can be done until then.
    """
    job = _feature_job(key, data)
    if not job.future.done():
        _watch(job, page, meanwhile)
        return None
    try:
        return Path(job.future.result().path)
    except (FewLabError, OSError) as error:
        st.warning(escape_markdown(str(error)), icon=":material/pause_circle:")
        if st.button("Go on", key=f"{page}_features_again"):
            _feature_job.clear()
            st.rerun()
        return None


@st.cache_resource(max_entries=8, show_spinner=False)
def _feature_job(key: str, _data: Data) -> BackgroundJob:
    file = new_progress_file(f"features {key}")
    request = ComputeFeatures(_data, key, PHOTO_NETWORK, str(lab().store.root), str(file))
    future: Future[FeatureFile] = lab().assistant.ask_later(request)
    wait([future], _AT_ONCE)
    return BackgroundJob(future, file)


def _watch(job: BackgroundJob, page: str, meanwhile: str) -> None:
    began = time.monotonic(), job.progress()[0]

    def watch() -> None:
        if job.future.done():
            redraw_page()
        done, total = job.progress()
        seconds, new = time.monotonic() - began[0], done - began[1]
        left = f", {formatting.duration(seconds / new * (total - done))} left" if new > 0 else ""
        text = f"Computing features: {formatting.count(done)} of {formatting.count(total)}{left}. {meanwhile}".rstrip()
        bar, button = st.columns([5, 1], vertical_alignment="center")
        bar.progress(done / total if total else 0.0, text=text if total else "Computing features …")
        if button.button("Pause", key=f"{page}_features_pause", width="stretch"):
            job.cancel()

    guarded_fragment(watch, 1.0)()
