"""The part of an uploaded photo that the model is asked about: which one is marked, and where it is marked."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from engine.images.part import Part
from engine.lab.prediction_messages import ImagePrediction, ShowImage, ShownImage
from ui.components.crop_frame import crop_frame
from ui.shell.page import show_errors
from ui.shell.server import lab

File = tuple[str, bytes]
"""Its name and content."""

_PARTS = "predict_parts"  # in the session: what is marked, by the hash of the file


def marked_parts(files: Sequence[File]) -> tuple[Part | None, ...]:
    """Of each file what is marked in it, None for the whole image."""
    parts: dict[str, Part] = st.session_state.get(_PARTS, {})
    return tuple(parts.get(_hash(content)) for _, content in files)


def named(prediction: ImagePrediction, part: Part | None) -> ImagePrediction:
    """With the part in its name: in a table it must not pass for the whole image."""
    if part is None:
        return prediction
    size = f"{part.right - part.left}x{part.bottom - part.top}"
    return replace(prediction, name=f"{prediction.name} (part of {size} px at {part.left}, {part.top})")


def part_frame(file: File, number: int) -> None:
    """The image of card `number` with a frame over it; what is chosen draws the page again."""
    name, content = file
    shown_hash = _hash(content)

    def use(part: Part | None) -> None:
        parts: dict[str, Part] = st.session_state.setdefault(_PARTS, {})
        if part is None:
            parts.pop(shown_hash, None)
        else:
            parts[shown_hash] = part

    with show_errors():
        shown = _shown(name, content)
        crop_frame(
            shown.uri,
            shown.width,
            shown.height,
            name=name,
            part=st.session_state.get(_PARTS, {}).get(shown_hash),
            on_part=use,
            key=f"predict_frame_{number}_{shown_hash}",
        )


@st.cache_data(max_entries=8, show_spinner="Opening the image …")
def _shown(name: str, content: bytes) -> ShownImage:
    return lab().assistant.ask(ShowImage(name, content))


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
