"""A figure on plain ground, such as a digit on paper: found, cut out, and drawn as the images of a set are drawn.

Pillow and numpy only. Ink: how far a pixel is from the ground towards the figure, 0 to 1.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from engine.images.decode import Pixels
from engine.images.fit import fit_image

_LOOK = 512  # pixels: the longer side at which a figure is looked for
_WORK = 128  # pixels: the longer side at which strokes are made wider or thinner
_LEAST_CONTRAST = 24  # of 255: below, an image shows no figure
_USUAL = (0.7, 1.45)  # times the usual width of a stroke: between them, strokes are left as they are
_FAINT = 1 / 8  # ink at which a figure of a set's own image begins
Ink = npt.NDArray[np.float32]


class FigureStyle(NamedTuple):
    """How a set draws its figures. fills_frame: share of the frame's side that the longer side of each takes.
    dark_ground: bright on dark, else dark on bright. stroke: usual width of a stroke as a share of the longer side,
    None where figures are not made of strokes.
    """

    fills_frame: float
    dark_ground: bool
    stroke: float | None = None


class FittedFigure(NamedTuple):
    """pixels: uint8 [C, size, size]. inverted: whether dark and light were swapped. cropped: whether the figure was cut
    out and drawn in the size of the set's own.
    """

    pixels: Pixels
    inverted: bool
    cropped: bool


class Figure(NamedTuple):
    """ink: float32 [H, W] of the whole image, or of its maxima block by block. box: top, bottom, left, right of the
    figure in it, ends excluded. dark_ground: whether the figure is brighter than its ground.
    """

    ink: Ink
    box: tuple[int, int, int, int]
    dark_ground: bool


def find_figure(image: Pixels, faintest: float = 0.25) -> Figure | None:
    """The figure of an image, uint8 [H, W, 1 or 3], or None where nothing stands out. faintest: ink from which a pixel
    belongs to it.
    """
    grey = np.asarray(Image.fromarray(image).convert("L") if image.shape[2] == 3 else image[:, :, 0]).astype(np.float32)
    low, high = (float(level) for level in np.percentile(grey, (0.05, 99.95))) if grey.size > 400 else _ends(grey)
    if high - low < _LEAST_CONTRAST:
        low, high = _ends(grey)  # a hair on a large sheet
    if high - low < _LEAST_CONTRAST:
        return None
    edge = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    bright = float((edge > (low + high) / 2).mean())
    if 0.35 < bright < 0.65:  # cut so closely that half of the border is figure
        bright = float((grey > (low + high) / 2).mean())
    dark_ground = bright <= 0.5
    side = edge[edge <= (low + high) / 2] if dark_ground else edge[edge > (low + high) / 2]
    ground = float(np.median(side)) if len(side) else (low if dark_ground else high)
    ink = (grey - ground) / max(high - ground, 1) if dark_ground else (ground - grey) / max(ground - low, 1)
    ink = _block_maxima(np.clip(ink, 0, 1), -(-max(ink.shape) // _LOOK))
    rows, columns = (np.flatnonzero((ink >= faintest).any(axis)) for axis in (1, 0))
    if len(rows) == 0:
        return None
    return Figure(ink, (int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1), dark_ground)


def fit_to_figures(image: Pixels, size: int, channels: int, style: FigureStyle) -> FittedFigure:
    """`image` (uint8 [H, W, 1 or 3]) as a set of figures would hold it. One drawn as theirs are is only brought to size
    and channels; in one that shows nothing, the ground alone becomes theirs.
    """
    if _fits_already(image, size, style):
        return FittedFigure(fit_image(image, size, channels), False, False)
    figure = find_figure(image)
    if figure is None:
        pixels = fit_image(image, size, channels)
        inverted = (float(np.median(pixels)) > 127) == style.dark_ground
        return FittedFigure(255 - pixels if inverted else pixels, inverted, False)
    drawn = np.repeat(_draw(figure, size, style)[None], channels, axis=0)
    return FittedFigure(drawn, figure.dark_ground != style.dark_ground, True)


def _fits_already(image: Pixels, size: int, style: FigureStyle) -> bool:
    """Whether an image is drawn as the set's own are: of their size, on their ground, and its figure as large as theirs
    to a pixel. Of figures without strokes only the size tells: they may hide all of their ground.
    """
    if image.shape[:2] != (size, size):
        return False
    figure = find_figure(image, _FAINT)
    if style.stroke is None or figure is None:
        return style.stroke is None
    top, bottom, left, right = figure.box
    longer = max(bottom - top, right - left)
    return figure.dark_ground == style.dark_ground and abs(longer - style.fills_frame * size) <= 1


def _draw(figure: Figure, size: int, style: FigureStyle) -> Pixels:
    """The figure in grey, uint8 [size, size]: in the size, width of stroke, ground and place of the set's own."""
    top, bottom, left, right = figure.box
    ink = figure.ink[top:bottom, left:right]
    scale = _WORK / max(ink.shape)
    shape = tuple(max(1, round(side * scale)) for side in ink.shape)
    margin = _WORK // 4  # strokes may grow into it
    canvas = np.zeros((shape[0] + 2 * margin, shape[1] + 2 * margin), np.uint8)
    canvas[margin : margin + shape[0], margin : margin + shape[1]] = np.asarray(
        Image.fromarray((ink * 255).astype(np.uint8)).resize((shape[1], shape[0]), Image.Resampling.BICUBIC)
    )
    if style.stroke is not None:
        canvas = _with_stroke(canvas, style.stroke * _WORK)
    rows, columns = (np.flatnonzero((canvas >= 64).any(axis)) for axis in (1, 0))
    cut = Image.fromarray(canvas[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    longer = max(1, round(style.fills_frame * size))
    width, height = (max(1, round(side * longer / max(cut.size))) for side in cut.size)
    small = np.asarray(cut.resize((width, height), Image.Resampling.BOX))
    drawn = np.zeros((size, size), np.uint8)
    y, x = (_place(small.sum(axis).astype(float), size) for axis in (1, 0))
    drawn[y : y + height, x : x + width] = small
    return drawn if style.dark_ground else 255 - drawn


def _place(ink: npt.NDArray[np.float64], size: int) -> int:
    """Where a figure with so much ink in each line begins, so that its center of mass lies in the middle and none of it
    outside.
    """
    center = float((ink * (np.arange(len(ink)) + 0.5)).sum() / max(ink.sum(), 1))
    return int(np.clip(round(size / 2 - center), 0, size - len(ink)))


def _with_stroke(canvas: Pixels, wanted: float) -> Pixels:
    """The figure, 0 to 255, as it is if its strokes are about `wanted` pixels wide, else in black and white with wider
    or thinner strokes.
    """
    mask = np.where(canvas >= 128, 255, 0).astype(np.uint8)
    if wanted * _USUAL[0] <= _stroke_width(mask) <= wanted * _USUAL[1]:
        return canvas
    for _ in range(4):
        change = round((wanted - _stroke_width(mask)) / 2)
        if change == 0:
            break
        kind = ImageFilter.MaxFilter if change > 0 else ImageFilter.MinFilter
        changed = np.asarray(Image.fromarray(mask).filter(kind(2 * min(abs(change), 4) + 1)))
        if not changed.any():
            break
        mask = changed
    return mask


def _stroke_width(mask: Pixels) -> float:
    """Area over half of the outline: of a long stroke, its width."""
    inside = mask > 0
    outline = (inside[1:] != inside[:-1]).sum() + (inside[:, 1:] != inside[:, :-1]).sum()
    # An outline of pixels is up to 4 / pi times as long as the curve that it follows.
    return float(2 * inside.sum() / max(outline * np.pi / 4, 1))


def _block_maxima(ink: Ink, block: int) -> Ink:
    """Thin strokes survive in the largest value of each block, where the mean would lose them."""
    if block <= 1:
        return ink.astype(np.float32)
    height, width = (-(-side // block) * block for side in ink.shape)
    padded = np.zeros((height, width), np.float32)
    padded[: ink.shape[0], : ink.shape[1]] = ink
    result: Ink = padded.reshape(height // block, block, width // block, block).max((1, 3))
    return result


def _ends(grey: npt.NDArray[np.float32]) -> tuple[float, float]:
    return float(grey.min()), float(grey.max())
