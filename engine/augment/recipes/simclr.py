"""simclr: an enlarged window of the image in other colors: two such views are what contrastive methods bring
together.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from torch import Generator, Tensor

from engine.augment.ops.affine import read, sources
from engine.augment.ops.blur import blur
from engine.augment.ops.color import recolor
from engine.augment.ops.crop import uniform
from engine.augment.ops.operation_plan import CODE, GEOMETRY, Floats, Plan
from engine.augment.ops.resized_crop import TRIES, Window, raster, window_of
from engine.augment.recipes.recipe import Recipe
from engine.augment.recipes.weak import Flip, flips
from engine.config.parts import RecipeParams
from engine.config.settings import param
from engine.registry import recipes

BLUR_FROM = 64
"""Pixels from which images are blurred: at 32 the paper's appendix B.9 leaves it out, at 8 the kernel would be the
image.
"""
BLUR_SIGMA = (0.1, 2.0)


class Draw(NamedTuple):
    """All that chance decides about the views of one batch. geometry: how the image is moved before the window is
    cut. sigma: float64 [B], 0: sharp.
    """

    window: Window
    geometry: Plan
    colors: Plan
    sigma: Floats


@recipes.register
class SimCLRView(Recipe):
    """SimCLR's augmentation (Chen et al. 2020, arXiv:2002.05709, appendix A): random resized crop, flip, color jitter,
    grey, blur.

    Brightness, contrast, saturation and hue come in an order drawn for each image. The paper's strength is 1 for
    photos and 0.5 at 32 pixels. Windows are not rounded to whole pixels and read bilinearly, not bicubically. Tilt,
    slant and shift are not the paper's and off by default: on images of a few pixels, such as digits, windows alone
    are too few different views. They are composed with the window, so that the image is resampled once.
    """

    class Params(RecipeParams):
        name: Literal["simclr"] = "simclr"
        area: float = param(
            0.08,
            gt=0,
            le=1,
            help="Minimum crop area, as a share of the image; the maximum is the whole image.",
        )
        aspect: float = param(4 / 3, ge=1, le=4, advanced=True, help="Maximum aspect ratio of the crop.")
        flip: Flip = param(
            "auto",
            help="Random horizontal flip (p = 0.5). auto: only where a mirrored image keeps its class.",
        )
        strength: float = param(
            0.5,
            ge=0,
            le=1.25,
            symbol="s",
            help=(
                "Color jitter: brightness, contrast and saturation move by up to 0.8 s, hue by up to 0.2 s. 1 for"
                " photos."
            ),
        )
        jitter: float = param(0.8, ge=0, le=1, advanced=True, help="Probability of color jitter.")
        grey: float = param(0.2, ge=0, le=1, advanced=True, help="Probability of grayscale.")
        blur: Literal["auto", "on", "off"] = param(
            "auto",
            advanced=True,
            help="Gaussian blur (p = 0.5), with a kernel of a tenth of the side. auto: only from 64 pixels on.",
        )
        rotate: float = param(
            0.0, ge=0, le=180, unit="°", advanced=True, help="Maximum rotation, in either direction. Not in the paper."
        )
        shear: float = param(
            0.0, ge=0, le=1, advanced=True, help="Maximum shear, in either direction. Not in the paper."
        )
        shift: float = param(
            0.0,
            ge=0,
            le=1,
            advanced=True,
            help="Maximum translation, as a share of the side; filled with black. Not in the paper.",
        )

    params: Params

    def __call__(self, images: Tensor, generator: Generator) -> Tensor:
        batch, _, height, width = images.shape
        return self.apply(images, self.draw(batch, height, width, generator))

    def draw(self, batch: int, height: int, width: int, generator: Generator) -> Draw:
        """All random parameters of a batch, in one call of the generator."""
        params = self.params
        chance = uniform(generator, 2 * TRIES + 20, batch)
        window, geometry, colors, blurring = np.split(chance, np.cumsum([2 * TRIES + 3, 5, 10]))
        blurred = (params.blur == "on" or (params.blur == "auto" and min(height, width) >= BLUR_FROM)) and kernel_of(
            height, width
        ) > 1
        low, high = BLUR_SIGMA
        return Draw(
            window_of(window, height, width, params.area, params.aspect, flips(params.flip, self.symmetries)),
            self._geometry(geometry, height, width),
            self._colors(colors),
            (blurring[0] < 0.5) * blurred * (low + (high - low) * blurring[1]),
        )

    def apply(self, images: Tensor, draw: Draw) -> Tensor:
        """The views that `draw` describes. images: uint8 [B, C, H, W]. Returns float32 [B, C, H, W] in [0, 1]."""
        height, width = images.shape[2:]
        matrices = sources(draw.geometry.operations, draw.geometry.amounts, height, width)
        views = read(images.float(), matrices, *raster(draw.window, height, width))
        return blur(recolor(views, draw.colors), draw.sigma, kernel_of(height, width)) / 255

    def _geometry(self, chance: Floats, height: int, width: int) -> Plan:
        """chance: [5, B]."""
        params = self.params
        furthest = np.array([params.rotate, params.shear, params.shear, params.shift * width, params.shift * height])
        operations = np.tile([CODE[name] for name in GEOMETRY], (chance.shape[1], 1))
        return Plan(operations, furthest * (2 * chance.T - 1))

    def _colors(self, chance: Floats) -> Plan:
        """chance: [10, B]: whether to jitter, four amounts, four ranks, whether to take all color out."""
        params, nothing = self.params, CODE["identity"]
        names = (
            ("brightness", "contrast", "color", "hue")
            if self.channels == 3
            else ("brightness", "contrast", "identity", "identity")
        )
        none, most = np.array([1, 1, 1, 0]), np.array([0.8, 0.8, 0.8, 0.2]) * params.strength
        amounts = none + most * (2 * chance[1:5].T - 1)  # [B, 4]
        operations = np.where(chance[0, :, None] < params.jitter, [CODE[name] for name in names], nothing)
        order = chance[5:9].T.argsort(1)
        grey = np.where((chance[9] < params.grey) & (self.channels == 3), CODE["color"], nothing)
        operations = np.concatenate((np.take_along_axis(operations, order, 1), grey[:, None]), 1)
        amounts = np.concatenate((np.take_along_axis(amounts, order, 1), np.zeros((len(grey), 1))), 1)
        return Plan(operations, amounts)


def kernel_of(height: int, width: int) -> int:
    """The blur's kernel: a tenth of the shorter side, made odd, in pixels."""
    return int(min(height, width) * 0.1) // 2 * 2 + 1
