"""Galleries of a run's own images: what each is, what it was taken for, right or wrong by border, stroke and word."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import streamlit as st

from ui.components.gallery import GalleryItem, gallery, image_uri
from ui.runs.run_bar import Inside
from ui.style import colors


class Shown(NamedTuple):
    """An image by its sample id, its true class (-1 unknown), the class it was taken for (-1 none), and what else
    stands under it.
    """

    id: int
    truth: int
    taken: int
    lines: tuple[str, ...] = ()


def image_gallery(
    inside: Inside, shown: Sequence[Shown], key: str, *, selected: int | None = None, thumb: int = 64
) -> int | None:
    """Returns the id of an image that was clicked, once, else None."""
    if inside.images is None:
        st.caption("The images themselves are not on this machine.")
        return None
    names = inside.class_names
    items = []
    for one in shown:
        judged = one.truth >= 0 and one.taken >= 0
        right = one.truth == one.taken
        name = names[one.taken] if one.taken >= 0 else names[one.truth] if one.truth >= 0 else "unknown"
        verdict = "" if not judged else "✓ " if right else f"✗ is {names[one.truth]}, not "
        border = colors.UNKNOWN if not judged else colors.RIGHT if right else colors.WRONG
        items.append(
            GalleryItem(
                one.id,
                image_uri(inside.pixels(one.id)),
                (verdict + name, *one.lines),
                border,
                "dashed" if judged and not right else "solid",
            )
        )
    return gallery(items, key=key, thumb=thumb, selected=selected)
