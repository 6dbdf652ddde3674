"""Many small images in one file, one tile each (a sprite sheet): a map shows the image of any point at once, without
asking the server.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from PIL import Image
from streamlit.runtime import get_instance

_LARGEST_TILE = 32  # pixels
_LOSSLESS_UP_TO = 1_000_000  # pixels of the file
_AT_ONCE = 256  # images that are read together: photos are mapped from the disk


@dataclass(frozen=True)
class SpriteSheet:
    """side: of a tile, in pixels of the file. columns: tiles in a row; the rows follow the order of the images."""

    file: bytes
    mimetype: str
    side: int
    columns: int

    def served(self, key: str) -> dict[str, Any]:
        """What the browser is told. key: of the figure; its next file takes this one's place."""
        url = get_instance().media_file_mgr.add(self.file, self.mimetype, f"sprites of {key}")
        return {"url": url, "side": self.side, "columns": self.columns}


@st.cache_resource(max_entries=8, show_spinner="Reading the images …")
def sprite_sheet(of: str, rows: NDArray[np.int64], _images: NDArray[np.uint8]) -> SpriteSheet:
    """_images: uint8 [M, C, H, H], gray or RGB. rows: int64 [N], those that are drawn, in their order. of: what tells
    these images from others, because they are not compared.
    """
    side = _images.shape[-1]
    step = math.ceil(side / _LARGEST_TILE)
    tiles = np.concatenate(
        [_reduced(np.asarray(_images[rows[first : first + _AT_ONCE]]), step) for first in range(0, len(rows), _AT_ONCE)]
    )
    columns = math.ceil(math.sqrt(len(tiles)))
    side = tiles.shape[-1]
    sheet = np.zeros((columns * columns, *tiles.shape[1:]), np.uint8)
    sheet[: len(tiles)] = tiles
    whole = sheet.reshape(columns, columns, -1, side, side).transpose(0, 3, 1, 4, 2)
    whole = whole.reshape(columns * side, columns * side, -1)
    written = io.BytesIO()
    image = Image.fromarray(whole[..., 0] if whole.shape[-1] == 1 else whole)
    is_small = image.width * image.height <= _LOSSLESS_UP_TO
    image.save(written, "PNG" if is_small else "JPEG", **({"compress_level": 1} if is_small else {"quality": 90}))
    return SpriteSheet(written.getvalue(), "image/png" if is_small else "image/jpeg", side, columns)


def _reduced(images: NDArray[np.uint8], step: int) -> NDArray[np.uint8]:
    """[N, C, H, H] to [N, C, H // step, H // step]: each block as the mean of four of its pixels, which is enough for
    so small an image and reads few of them.
    """
    if step == 1:
        return images
    side = images.shape[-1] // step
    near, far = step // 4, step - 1 - step // 4
    corners = [images[..., y::step, x::step][..., :side, :side] for y in (near, far) for x in (near, far)]
    reduced: NDArray[np.uint8] = np.mean(corners, axis=0).astype(np.uint8)
    return reduced
