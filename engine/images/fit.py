"""An image brought to a data set's size and colors."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from PIL import Image

from engine.images.decode import Pixels


class Fitted(NamedTuple):
    """pixels: uint8 [C, size, size]. inverted: whether dark and light were swapped."""

    pixels: Pixels
    inverted: bool


def fit_image(
    image: Pixels,
    size: int,
    channels: int,
    fit: Literal["pad", "crop", "squash"] = "pad",
    *,
    invert: Literal["auto", "yes", "no"] = "auto",
    background: float | None = None,
) -> Fitted:
    """`image` (uint8 [H, W, 1 or 3]) in the size and channels (1 or 3) of a data set.

    fit: "pad" keeps the whole image and fills the rest with the color of its own border, "crop" keeps the middle
    square, "squash" ignores the aspect ratio. invert: "yes" turns dark into light; "auto" does so if the image's
    border and the data set's border lie more than half the range apart. background: the mean brightness, 0 (black) to 1
    (white), of the borders of the data set's images: near 0 for white digits on black, about 0.5 for photographs,
    which therefore never invert. None: "auto" leaves the image as it is.

    Resized with an antialiased bilinear filter: it never leaves the range of its input, so a hard pen stroke gets no
    bright halo (Lanczos draws one, and on 8 x 8 pixels the halo is as wide as the stroke), and it is what data sets are
    usually prepared with.
    """
    if image.ndim != 3 or image.shape[2] not in (1, 3) or 0 in image.shape or image.dtype != np.uint8:
        raise ValueError(f"image must be uint8 [H, W, 1 or 3], but is {image.dtype} {list(image.shape)}")
    if size < 1 or channels not in (1, 3):
        raise ValueError(f"size must be at least 1 and channels 1 or 3, but they are {size} and {channels}")
    decoded = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image).convert("L" if channels == 1 else "RGB")
    if fit == "crop":
        side = min(decoded.size)
        left, top = (decoded.width - side) // 2, (decoded.height - side) // 2
        decoded = decoded.crop((left, top, left + side, top + side))
    turns = invert == "auto" and background is not None
    border = (
        _border(np.asarray(decoded))
        if turns or (fit == "pad" and decoded.width != decoded.height)
        else np.zeros(channels, np.uint8)
    )
    scale = size / max(decoded.size)
    width, height = (
        (max(1, round(decoded.width * scale)), max(1, round(decoded.height * scale))) if fit == "pad" else (size, size)
    )
    small = np.asarray(decoded.resize((width, height), Image.Resampling.BILINEAR)).reshape(height, width, channels)

    fitted = np.empty((size, size, channels), np.uint8)
    fitted[:] = border
    top, left = (size - height) // 2, (size - width) // 2
    fitted[top : top + height, left : left + width] = small
    inverted = invert == "yes" or (
        turns and background is not None and abs(float(border.mean()) / 255 - background) > 0.5
    )
    if inverted:
        fitted = 255 - fitted
    return Fitted(np.ascontiguousarray(fitted.transpose(2, 0, 1)), inverted)


def _border(pixels: Pixels) -> Pixels:
    """The median color, [C], of the outermost pixels: what lies around the thing in the image. One pixel wide: a
    frame drawn by hand is rare.
    """
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    median: Pixels = np.median(edge, axis=0).astype(np.uint8)
    return median
