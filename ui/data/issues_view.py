"""What a check found: each kind of trouble with its images, and one click that leaves them out."""

from __future__ import annotations

from typing import Any

import streamlit as st

from engine.data.importing.image_cache import open_decoded
from engine.lab.messages import CheckedImages
from ui.components.gallery import GalleryItem, gallery, image_uri
from ui.data.exclusions import exclude, excluded_images
from ui.forms.import_form import images_key
from ui.shell.page import escape_markdown
from ui.style import formatting

Data = dict[str, Any]
_SHOWN = 24  # images of each kind


def issues_view(checked: CheckedImages, data: Data) -> None:
    """Raises LabelError or DataError."""
    if not checked.issues:
        st.success("No copies, and no image that is dark, bright or without content.", icon=":material/check:")
        return
    decoded = open_decoded(images_key(data), frozenset())
    excluded = excluded_images(data)
    rows = {} if decoded is None else {name: row for row, name in enumerate(decoded.images.file_names)}
    for issue in checked.issues:
        name = str(issue["name"])
        said, button = st.columns([3, 1], vertical_alignment="center")
        said.markdown(f"**{escape_markdown(name.replace('_', ' '))}**: {escape_markdown(issue['sentence'])}")
        _exclusion(button, data, issue, excluded)
        shown = [(file, k) for k, group in enumerate(issue["files"]) for file in group][:_SHOWN]
        if decoded is not None:
            items = [
                GalleryItem(
                    rows[file],
                    image_uri(decoded.images.images[rows[file]]),
                    (file.rpartition("/")[2], "excluded" if file in excluded else ""),
                )
                for file, _ in shown
                if file in rows
            ]
            gallery(items, key=f"data_issue_{name}", is_clickable=False)
        if len(shown) < issue["count"]:
            st.caption(f"The first {formatting.count(len(shown))} of {formatting.count(issue['count'])}.")


def _exclusion(place: Any, data: Data, issue: dict[str, Any], excluded: set[str]) -> None:
    names: list[str] = issue["exclude"]
    if not names:
        return
    left = [name for name in names if name not in excluded]
    label = f"Exclude {formatting.count(len(left))}" if left else "Take them back"
    if place.button(
        label, key=f"data_exclude_{issue['name']}", width="stretch", icon=":material/block:" if left else None
    ):
        exclude(data, left or names, str(issue["name"]).replace("_", " "), undo=not left)
        st.rerun()
