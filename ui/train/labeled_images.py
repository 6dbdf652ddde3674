"""What a run with the form's settings would learn from: how many images of each kind, and the labeled ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from engine.errors import FewLabError
from engine.lab.messages import DataPreview, PreviewData
from engine.runs.stored_images import StoredImages, load_stored_images
from ui.components.gallery import GalleryItem, gallery, image_uri
from ui.runs.image_panel import stored_image_panel
from ui.shell.page import escape_markdown
from ui.shell.server import lab
from ui.style import colors, formatting

Config = dict[str, Any]
_SHOWN = 40


def labeled_images(config: Config, thumb: int) -> None:
    """thumb: side of an image in pixels. Nothing is drawn of settings that cannot be run; their error is raised."""
    root = str(lab().store.root)
    facts = _preview(config["method"]["name"], config["data"], config["seed"], root)
    labels = "with candidate labels" if config["data"]["labels"]["kind"] == "partial" else "unlabeled"
    titles = {"labeled": "labeled", "unlabeled": labels, "validation": "held out for validation", "test": "test images"}
    counts = [f"{formatting.count(facts.counts[part])} {title}" for part, title in titles.items() if facts.counts[part]]
    with st.container(border=True, key="form_images", gap="xsmall"):
        st.caption(", ".join(counts) + ".")
        if facts.rare:
            st.warning(escape_markdown(facts.rare), icon=":material/warning:")
        try:
            images = load_stored_images(lab().store.root, facts.content_hash)
        except FewLabError:
            _preview.clear()
            return
        _gallery(images, np.asarray(facts.labeled, dtype=np.int64), thumb)


@st.cache_data(max_entries=64, show_spinner=False)
def _preview(method: str, data: Config, seed: int, root: str) -> DataPreview:
    return lab().assistant.ask(PreviewData(method, data, seed, root))


def _gallery(images: StoredImages, ids: NDArray[np.int64], thumb: int) -> None:
    """Of many a part, evenly over the classes."""
    rows = images.rows(ids)
    order = np.argsort(images.labels[rows], kind="stable")[
        np.linspace(0, len(rows) - 1, min(_SHOWN, len(rows))).astype(int)
    ]
    items = [
        GalleryItem(
            int(ids[i]),
            image_uri(np.asarray(images.images[rows[i]])),
            (images.class_names[int(images.labels[rows[i]])],),
            colors.class_color(int(images.labels[rows[i]])),
        )
        for i in order
    ]
    stored_image_panel(images, gallery(items, key="train_labeled", thumb=thumb), "train_labeled")
