"""Images of a run that are to be labeled together: handed over here, and shown on the board of the Label page.

They travel in the session, not in the page's address, which would be too long for hundreds of names.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from engine.analysis.evaluated_run import EvaluatedRun
from engine.data.importing.image_cache import open_decoded
from engine.data.labels.label_folders import find_label_folder, label_folder
from engine.errors import DataError
from ui.forms.import_form import images_key
from ui.shell.server import lab

Data = dict[str, Any]
MOST_IN_GROUP = 96
_HANDED_OVER = "label_handed_over"
_OF_A_RUN = ("labels", "split_seed", "validation", "label_log", "label_records")


def folder_of(data: Data) -> Path:
    """Of the log of these images, made if it is new. data: of a run, or of the images alone."""
    return label_folder(lab().store.root, {key: value for key, value in data.items() if key not in _OF_A_RUN})


def can_be_labeled(run: EvaluatedRun) -> bool:
    """Whether the Label page has its images: the user's own, which have names."""
    return run.config["data"]["name"] == "folder" and run.images is not None


def label_together(run: EvaluatedRun, ids: Sequence[int]) -> None:
    """Go to the Label page with these images on its board, the first of them where they are many. Raises DataError
    where the files are not those any more that the run learned from.
    """
    data = run.config["data"]
    names = _file_names(run, ids[:MOST_IN_GROUP])
    # Labeled before, they stay as they were opened then, at another size perhaps.
    folder = find_label_folder(lab().store.root, data["path"]) or folder_of(data)
    st.session_state[_HANDED_OVER] = (folder.name, names)
    st.switch_page("pages/label.py", query_params={"images": folder.name})


def take_group(folder: Path) -> list[str]:
    """The names of the images that were handed over for the log in this folder, once; else none."""
    handed_over: tuple[str, list[str]] = st.session_state.get(_HANDED_OVER, ("", []))
    if handed_over[0] != folder.name:
        return []
    st.session_state.pop(_HANDED_OVER)
    return handed_over[1]


def _file_names(run: EvaluatedRun, ids: Sequence[int]) -> list[str]:
    decoded = open_decoded(images_key(run.config["data"]), frozenset())
    # An id is a position among the files as they were: what the run saw must still be there.
    if decoded is None or not all(
        i < len(decoded.images.ids) and np.array_equal(run.pixels(i), decoded.images.images[i]) for i in ids
    ):
        raise DataError(
            "The files in the folder or archive have changed since this run learned from them: open them on the page"
            " Label, and choose there what to label."
        )
    return [decoded.images.file_names[i] for i in ids]
