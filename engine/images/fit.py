"""An image brought to a data set's size and colors: as an import does it, for import and prediction alike."""

from __future__ import annotations

from typing import Literal

import numpy as np
from PIL import Image

from engine.images.decode import Pixels

Fit = Literal["crop", "pad", "squash"]
Color = Literal["auto", "grey", "rgb"]


def import_image(image: Pixels, size: int, fit: Fit, color: Color) -> Pixels:
    """`image` (uint8 [H, W, 1 or 3]) as a set of such images holds it, [1 or 3, size, size]. color "auto" keeps grey
    grey, also where it was stored as color.
    """
    channels = {"grey": 1, "rgb": 3, "auto": image.shape[2]}[color]
    fitted = fit_image(image, size, channels, fit)
    if color == "auto" and channels == 3 and (fitted[0] == fitted[1]).all() and (fitted[0] == fitted[2]).all():
        return fitted[:1]
    return fitted


def import_into(image: Pixels, size: int, channels: int, fit: Fit, color: Color) -> Pixels:
    """The same in a set whose images all have `channels`, 1 or 3: uint8 [channels, size, size]."""
    fitted = import_image(image, size, fit, color)
    if len(fitted) < channels:
        return np.repeat(fitted, channels, axis=0)
    return fitted if len(fitted) == channels else fit_image(image, size, channels, fit)


def fit_image(image: Pixels, size: int, channels: int, fit: Fit = "pad") -> Pixels:
    """`image` (uint8 [H, W, 1 or 3]) in the size and channels (1 or 3) of a data set: uint8 [C, size, size].

    fit: "pad" keeps the whole image and fills the rest with the color of its own border, "crop" keeps the middle
    square, "squash" ignores the aspect ratio.

    Resized with an antialiased bilinear filter: it never leaves the range of its input, so a hard pen stroke gets no
    bright halo (Lanczos draws one, and on 8 x 8 pixels the halo is as wide as the stroke), and it is what data sets are
    usually prepared with.
    """
    if image.ndim != 3 or image.shape[2] not in (1, 3) or 0 in image.shape or image.dtype != np.uint8:
        raise ValueError(f"image must be uint8 [H, W, 1 or 3], but is {image.dtype} {list(image.shape)}")
    if size < 1 or channels not in (1, 3):
        raise ValueError(f"size must be at least 1 and channels 1 or 3, but they are {size} and {channels}")
    decoded = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)
    if image.shape[2] != channels:
        decoded = decoded.convert("L" if channels == 1 else "RGB")
    if fit == "crop":
        side = min(decoded.size)
        left, top = (decoded.width - side) // 2, (decoded.height - side) // 2
        decoded = decoded.crop((left, top, left + side, top + side))
    is_padded = fit == "pad" and decoded.width != decoded.height
    scale = size / max(decoded.size)
    width, height = (
        (max(1, round(decoded.width * scale)), max(1, round(decoded.height * scale))) if fit == "pad" else (size, size)
    )
    small = np.asarray(decoded.resize((width, height), Image.Resampling.BILINEAR)).reshape(height, width, channels)
    if not is_padded:
        return np.array(small.transpose(2, 0, 1), order="C")
    fitted = np.empty((size, size, channels), np.uint8)
    fitted[:] = _border(np.asarray(decoded))
    top, left = (size - height) // 2, (size - width) // 2
    fitted[top : top + height, left : left + width] = small
    return np.ascontiguousarray(fitted.transpose(2, 0, 1))


def _border(pixels: Pixels) -> Pixels:
    """The median color, [C], of the outermost pixels: what lies around the thing in the image. One pixel wide: a
    frame drawn by hand is rare.
    """
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    median: Pixels = np.median(edge, axis=0).astype(np.uint8)
    return median
