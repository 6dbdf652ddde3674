"""What was understood of the files: classes with counts and samples, what is unlabeled, what is left out and why."""

from __future__ import annotations

from typing import Any

import streamlit as st

from engine.data.importing.preview import Preview
from ui.components.gallery import GalleryItem, gallery
from ui.shell.page import escape_markdown, expander
from ui.style import colors, formatting

_PARTS = ("training", "validation", "test")
_CLASS, _COUNT = 210, 70  # pixels of a column where there is one of counts
_QUESTIONS = {"labels_from": "What tells the classes?", "label_column": "Which labels are meant?"}


def choose_reading(preview: Preview) -> dict[str, str]:
    """What a person chose among the readings that are possible, as settings of the data set; nothing where there is
    only one, or none was chosen yet.
    """
    chosen: dict[str, str] = {}
    for setting, title in _QUESTIONS.items():
        words = {choice.value: choice.words for choice in preview.choices if choice.setting == setting}
        if not words or chosen.get("labels_from", "table") != "table":
            continue
        value = st.radio(
            title,
            list(words),
            index=None if preview.question is not None else 0,
            format_func=lambda value, words=words: escape_markdown(words[value]),
            key=f"data_{setting}_{preview.name}",
        )
        if value is not None:
            chosen[setting] = value
    return chosen


def preview_view(preview: Preview) -> None:
    st.subheader("What was understood", anchor=False)
    st.markdown(f"**{escape_markdown(preview.name)}**: {_images(preview.images)}, {escape_markdown(preview.layout)}.")
    for sentence in preview.notes:
        st.caption(escape_markdown(sentence))
    for sentence in preview.warnings:
        st.warning(escape_markdown(sentence), icon=":material/warning:")
    table, samples = st.columns([2, 3], gap="medium")
    with table:
        chosen = _counts(preview)
    with samples:
        _samples(preview, chosen)
    _left_out(preview)


def _counts(preview: Preview) -> str | None:
    """Returns the class whose row is chosen."""
    chosen = None
    parts = [part for part in _PARTS if any(of[part] for of in preview.classes.values())]
    rows: list[dict[str, Any]] = [
        {"class": name, **{part: of[part] for part in parts}} for name, of in preview.classes.items()
    ]
    if rows:
        table = st.dataframe(
            rows,
            hide_index=True,
            width="stretch",
            height=min(38 + 35 * len(rows), 360),
            on_select="rerun",
            selection_mode="single-row",
            key=f"data_classes_{preview.name}_{hash(tuple(preview.classes))}",  # a choice is kept by its row
            # Long names would push the counts out of sight.
            column_config={"class": st.column_config.Column(width=_CLASS - _COUNT * (len(parts) - 1))}
            | {part: st.column_config.Column(width=_COUNT) for part in parts},
        )
        chosen = next((rows[row]["class"] for row in table.selection.rows if row < len(rows)), None)
    if preview.unlabeled:
        st.markdown(f"{_images(preview.unlabeled)} without a label.")
    if rows and not preview.own_test:
        st.caption("A fifth of each class will be held out for the test set.")
    return chosen


def _samples(preview: Preview, only: str | None) -> None:
    number = {name: k for k, name in enumerate(preview.classes)}
    items: list[GalleryItem] = []
    for name, files in preview.samples.items():
        for file in files if only in (None, name) else ():
            if file in preview.thumbnails:
                image = f"data:image/png;base64,{preview.thumbnails[file]}"
                color = colors.class_color(number[name]) if name in number else None
                items.append(GalleryItem(len(items), image, (name or "unlabeled", file.rpartition("/")[2]), color))
    if items:
        gallery(items, key="data_samples", thumb=64, is_clickable=False)
        if only is None and len(preview.classes) > len({item.lines[0] for item in items} - {"unlabeled"}):
            st.caption("Some images of the first classes.")
    elif only is not None:
        st.caption("The preview has images of the first classes only: this one's can be seen once they are imported.")


def _left_out(preview: Preview) -> None:
    count = sum(preview.left_out.values())
    if not count:
        return
    title = f"{formatting.count(count)} left out, and why"
    if (container := expander(title, "data_left_out", icon=":material/block:")) is not None:
        with container:
            st.dataframe(
                [{"why": reason, "files": files} for reason, files in preview.left_out.items()],
                hide_index=True,
                width="stretch",
            )
            st.dataframe(
                [{"file": name, "why": reason} for name, reason in preview.names], hide_index=True, width="stretch"
            )
            if count > len(preview.names):
                st.caption(f"The first {len(preview.names)} by name.")


def _images(count: int) -> str:
    return "1 image" if count == 1 else f"{formatting.count(count)} images"
