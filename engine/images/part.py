"""A rectangle of an image that a person marked: the model is asked about it as about any other image."""

from __future__ import annotations

from typing import NamedTuple

from engine.errors import ImageError
from engine.images.decode import Pixels, short_name

LEAST = 4  # pixels of a side: fewer show nothing


class Part(NamedTuple):
    """In pixels of the image as `read_image` gives it, upright: right and bottom are excluded."""

    left: int
    top: int
    right: int
    bottom: int


def part_of(image: Pixels, part: Part, name: str = "image") -> Pixels:
    """The pixels of `image` (uint8 [H, W, C]) that lie in `part`, to the pixel; what of it lies outside is left out.
    name: of the file, for the sentence. Raises ImageError where fewer than LEAST rows or columns remain.
    """
    height, width = image.shape[:2]
    left, right = max(0, part.left), min(width, part.right)
    top, bottom = max(0, part.top), min(height, part.bottom)
    if right <= left or bottom <= top:
        raise ImageError(
            f"The marked part lies outside of {short_name(name)}, {width} x {height} pixels: mark another."
        )
    if right - left < LEAST or bottom - top < LEAST:
        raise ImageError(
            f"The marked part of {short_name(name)} has {right - left} x {bottom - top} pixels, but at least"
            f" {LEAST} x {LEAST} are needed: mark a larger one."
        )
    return image[top:bottom, left:right].copy()
