"""Images to be labeled, one large or many small, by key or by click: the browser holds the next ones and a numbered
list of what was said of them, and sends that list until it is acknowledged.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import streamlit as st
from PIL import Image

from engine.data.labels.label_records import Record, read_record
from ui.components.gallery import image_uri

_FOLDER = Path(__file__).parent
_EXACT = 64  # pixels a side up to which an image is shown exactly
KEYS = "123456789abcdefghijklmnopqrstuvwxyz"
"""Of the classes, in their order; 0, space, Enter, backspace and the arrows have meanings of their own."""

_component = st.components.v2.component(
    "fewlab_label_board",
    html='<div class="fewlab-board"></div>',
    css=(_FOLDER / "label_board.css").read_text(encoding="utf-8"),
    js=(_FOLDER / "label_board.js").read_text(encoding="utf-8"),
    isolate_styles=False,
)


@dataclass(frozen=True, slots=True)
class BoardImage:
    """One image in the queue. name: of its file. prediction: a class, and sure: how sure it is, as text; empty if there
    is none. label: the class that it has now, or None.
    """

    name: str
    image: str
    prediction: str = ""
    sure: str = ""
    why: str = ""
    label: str | None = None


@dataclass(frozen=True, slots=True)
class BoardClass:
    name: str
    count: int
    color: str


@dataclass(frozen=True)
class Sent:
    """What a tab says from its number `first` on."""

    tab: str
    first: int
    records: list[Record]


def label_board(
    images: Sequence[BoardImage],
    classes: Sequence[BoardClass],
    *,
    of: str,
    order: str,
    group: str,
    about: str,
    acknowledged: dict[str, int],
    on_sent: Callable[[list[Sent]], None],
    on_pause: Callable[[], None] | None,
    on_similar: Callable[[str], None],
    on_leave: Callable[[], None],
    key: str,
) -> None:
    """Show the queue.

    order: that the person chose for the queue, empty before there is a choice; after another choice its first image
    takes the place of what is looked at.
    group: names a group that was asked for, whose images these are; empty for the queue, of which the browser shows one
    image or many. about: what the images of the group are, in words that begin a sentence, or "". of: names what is
    labeled; a list that was not sent when the browser was closed is sent for the same `of` later. acknowledged: the
    highest number of each tab that is on the disk. on_sent: called with what was said and is not acknowledged yet,
    before the page is drawn again; what is no record is left out. on_pause: called once nothing was said for a moment;
    None where nobody waits for that. on_similar: called with the name of an image of which more are wanted, and
    on_leave when a group is left for the queue, before the page is drawn again.
    """

    def received() -> None:
        values = st.session_state[key].get("sent") or []
        on_sent([one for value in values if (one := _read(value)) is not None])

    def asked() -> None:
        name = st.session_state[key].get("similar")
        if isinstance(name, str):
            on_similar(name)

    data = {
        "of": of,
        "order": order,
        "group": group,
        "about": about,
        "images": [asdict(image) for image in images],
        "classes": [{**asdict(one), "key": KEYS[k : k + 1]} for k, one in enumerate(classes)],
        "acknowledged": acknowledged,
        "awaits_pause": on_pause is not None,
    }
    _component(
        data=data,
        key=key,
        on_sent_change=received,
        on_similar_change=asked,
        on_pause_change=on_pause or _nothing,
        on_leave_change=on_leave,
    )


def shown(pixels: npt.NDArray[np.uint8]) -> str:
    """uint8 [C, H, W] as a data URI: small images exactly, photos as JPEG, a tenth of the size."""
    if pixels.shape[1] <= _EXACT:
        return image_uri(pixels)
    image = Image.fromarray(pixels[0] if pixels.shape[0] == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=88)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _read(value: Any) -> Sent | None:
    """The browser is not to be trusted more than a file."""
    try:
        tab, first = str(value["tab"]), int(value["first"])
        records = [read_record(record) for record in value["records"]]
    except (KeyError, TypeError, ValueError):
        return None
    return Sent(tab[:64], first, records) if records and first >= 1 else None


def _nothing() -> None:
    """The component reports only if somebody listens."""
