"""Which part of an image holds the answer up, drawn over it."""

from __future__ import annotations

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from PIL import Image

from engine.lab.prediction_messages import Explain, ImagePrediction
from engine.runs.store import Run
from ui.components.gallery import GalleryItem, image_uri
from ui.shell.server import lab

_SIDE = 168  # pixels of the drawn image, at least
_SUPPORTS, _OPPOSES = (255, 120, 0), (0, 135, 195)
_STRONGEST = 0.75  # of the color, where most depends on the pixel
_FAINT = 0.02  # of the probability: a map whose largest value is below says that no single part matters


@st.cache_data(max_entries=64, show_spinner="Covering one part after another …")
def _map(run: str, written: int, pixels: bytes, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """`written`: when the model was, because a resumed run writes another one."""
    return lab().assistant.ask(Explain(run, pixels, shape))


def where_it_looks(run: Run, prediction: ImagePrediction) -> GalleryItem | None:
    """The image with the parts marked whose covering takes probability from the answer, orange, or gives it more, blue;
    None where no single part matters.
    """
    assert prediction.seen is not None
    written = run.folder.model_file.stat().st_mtime_ns
    held = _map(str(run.folder.path), written, prediction.seen.tobytes(), prediction.seen.shape)
    largest = float(np.abs(held).max())
    if largest < _FAINT:
        return None
    return GalleryItem(
        3, image_uri(marked(prediction.seen, held / largest)), ("where it looks", f"up to {100 * largest:.0f} points")
    )


def marked(image: NDArray[np.uint8], weight: NDArray[np.float32]) -> NDArray[np.uint8]:
    """uint8 [3, H, W], enlarged where it is small, with a color over each pixel as strong as its weight in [-1, 1]."""
    channels, height, width = image.shape
    times = max(1, -(-_SIDE // max(height, width)))
    large = np.repeat(np.repeat(image, times, 1), times, 2).astype(np.float32)
    large = np.repeat(large, 3, 0) if channels == 1 else large
    # The map is of blocks of pixels: drawn smooth, as their means are.
    smooth = Image.fromarray(weight).resize((width * times, height * times), Image.Resampling.BICUBIC)
    strength = np.asarray(smooth)[None].clip(-1, 1)
    color = np.where(strength > 0, np.array(_SUPPORTS)[:, None, None], np.array(_OPPOSES)[:, None, None])
    share = _STRONGEST * np.abs(strength)
    mixed: NDArray[np.uint8] = ((1 - share) * large + share * color).round().clip(0, 255).astype(np.uint8)
    return mixed
