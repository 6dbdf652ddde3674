"""Random resized crop: a window of random area, shape and place, enlarged to the whole image (Szegedy et al. 2015,
arXiv:1409.4842).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from engine.augment.ops.affine import centered
from engine.augment.ops.operation_plan import Floats

TRIES = 10
"""Windows drawn for each image; the first that fits is taken, as torchvision does."""


class Window(NamedTuple):
    """Each image's window, in pixels that need not be whole, and whether it is mirrored; on the CPU. top, left,
    height, width: float64 [B]. flip: bool [B].
    """

    top: Floats
    left: Floats
    height: Floats
    width: Floats
    flip: npt.NDArray[np.bool_]


def window_of(chance: Floats, height: int, width: int, areas: tuple[float, float], aspect: float, flip: bool) -> Window:
    """A window from uniform numbers in [0, 1): chance [2 * TRIES + 3, B].

    Its area is uniform between the two `areas`, shares of the image's, its width by its height log-uniform between 1 /
    aspect and aspect; if none of TRIES draws fits into the image, it is the whole image. Sides are not rounded: whole
    pixels would leave an 8x8 image three sizes.
    """
    least, most = areas
    share = least + (most - least) * chance[:TRIES]  # [TRIES, B]
    # Square root of width by height, which lies in 1/aspect..aspect.
    stretch = aspect ** (chance[TRIES : 2 * TRIES] - 0.5)
    size = np.sqrt(share * height * width)
    heights, widths = size / stretch, size * stretch
    fits = (heights <= height) & (widths <= width)
    first, columns = fits.argmax(0), np.arange(chance.shape[1])
    fitting = fits.any(0)
    tall = np.where(fitting, heights[first, columns], height)
    wide = np.where(fitting, widths[first, columns], width)
    top, left, mirror = chance[2 * TRIES :]
    return Window(top * (height - tall), left * (width - wide), tall, wide, (mirror < 0.5) & flip)


def raster(window: Window, image: tuple[int, int], view: tuple[int, int]) -> tuple[Floats, Floats]:
    """Rows [B, H] and columns [B, W] at which an image is read to fill a view of H x W pixels with its window, in
    pixels from the image's centre. image, view: height and width of both.

    What lies between the window's outermost pixels and its border is read from those pixels, as if the window had been
    cut out first.
    """
    rows = _spread(window.top, window.height, image[0], view[0])
    columns = _spread(window.left, window.width, image[1], view[1])
    return rows, np.where(window.flip[:, None], columns[:, ::-1], columns)


def _spread(start: Floats, length: Floats, side: int, pixels: int) -> Floats:
    # Within the window, pixel centres at whole numbers.
    coordinates = (centered(pixels) + pixels / 2) * (length / pixels)[:, None] - 0.5
    inside: Floats = np.clip(coordinates, 0, np.maximum(length[:, None] - 1, 0)) + start[:, None] - (side - 1) / 2
    return inside
