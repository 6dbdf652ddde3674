"""Images in rows, each a button: 60 of them in one component, where 60 st.image would take several times as long and
could not be clicked.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import streamlit as st
from PIL import Image

from ui.style import colors

_CSS = """
.fewlab-gallery { display: flex; flex-wrap: wrap; align-items: flex-start; gap: 8px; padding: 3px; }
.fewlab-gallery button {
  width: calc(var(--thumb) + 6px); padding: 0; border: 0; background: none; cursor: pointer; text-align: left;
  font: inherit; font-size: 12px; line-height: 1.3; color: var(--st-text-color); border-radius: 6px;
}
.fewlab-gallery img {
  display: block; box-sizing: border-box; object-fit: contain;
  width: calc(var(--thumb) + 6px); height: calc(var(--thumb) + 6px);
  border: 3px solid transparent; border-radius: 6px; background: var(--st-secondary-background-color);
}
.fewlab-gallery img.tiny { image-rendering: pixelated; }
.fewlab-gallery button > span { display: block; overflow: hidden; text-overflow: ellipsis; white-space: pre; }
.fewlab-gallery button > span.long { display: flex; }
.fewlab-gallery .long > :first-child { overflow: hidden; text-overflow: ellipsis; }
.fewlab-gallery .long > :last-child { flex: none; }
.fewlab-gallery button:enabled:hover img { filter: brightness(1.12); }
.fewlab-gallery button:disabled { cursor: default; }
.fewlab-gallery button:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 2px; }
.fewlab-gallery button[aria-pressed="true"] { outline: 3px solid var(--st-primary-color); outline-offset: 1px; }
"""

_component = st.components.v2.component(
    "fewlab_gallery",
    html='<div class="fewlab-gallery"></div>',
    css=_CSS,
    js=Path(__file__).with_suffix(".js").read_text(encoding="utf-8"),
    isolate_styles=False,
)


@dataclass(frozen=True, slots=True)
class GalleryItem:
    """One image: the id a click returns, a data URI from `image_uri`, caption lines (shown as text whatever they
    hold), and a border.

    border is a CSS color; because color alone must not carry meaning, say the same in a line or with border_style.
    """

    id: int
    image: str
    lines: tuple[str, ...] = ()
    border: str | None = None
    border_style: Literal["solid", "dashed", "dotted", "double"] = "solid"


def gallery(
    items: Sequence[GalleryItem],
    *,
    key: str,
    thumb: int = 72,
    selected: int | None = None,
    is_clickable: bool = True,
) -> int | None:
    """Show `items`; a click runs the script (or fragment) again and returns the id of the clicked image, once, else
    None.

    thumb: the side of an image in screen pixels; smaller images are enlarged with visible pixels. selected: the id
    that stands out. is_clickable: False where nothing opens: the images cannot be pressed.
    """
    drawn = [
        {**asdict(item), "border": None if item.border is None else colors.css_color(item.border)} for item in items
    ]
    data = {"items": drawn, "thumb": thumb, "selected": selected, "isClickable": is_clickable}
    result = _component(data=data, key=key, on_clicked_change=_nothing)
    clicked: int | None = result.clicked
    return clicked


def image_uri(pixels: npt.NDArray[np.uint8]) -> str:
    """uint8 [C, H, W] (C is 1 or 3) -> a PNG as a data URI, exact to the pixel; about 0.1 ms for 32 x 32."""
    if pixels.ndim != 3 or pixels.shape[0] not in (1, 3) or pixels.dtype != np.uint8:
        raise ValueError(f"pixels must be uint8 [1 or 3, H, W], but are {pixels.dtype} {list(pixels.shape)}")
    image = Image.fromarray(pixels[0] if pixels.shape[0] == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return png_uri(buffer.getvalue())


def png_uri(content: bytes) -> str:
    """A PNG file as a data URI."""
    return "data:image/png;base64," + base64.b64encode(content).decode("ascii")


def _nothing() -> None:
    """The component reports a click only if somebody listens."""
