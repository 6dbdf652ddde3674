"""crop_jitter: an enlarged window of the image in other colors, every strength a setting of its own."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, NamedTuple

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
from engine.data.image_traits import ImageTraits, known
from engine.registry import recipes

BLUR_SIGMA = (0.1, 2.0)
SOLARIZE_FROM = 128.0


class Draw(NamedTuple):
    """All that chance decides about the views of one batch. geometry: how the image is moved before the window is
    cut. sigma: float64 [B], 0: sharp. solarized: what is inverted after the blur.
    """

    window: Window
    geometry: Plan
    colors: Plan
    sigma: Floats
    solarized: Plan


@recipes.register
class CropJitter(Recipe):
    """Random resized crop, flip, color jitter, grey, blur and solarize, in this order: the views of SimCLR's
    successors, as BYOL states them (Grill et al. 2020, arXiv:2006.07733, appendix B).

    Two views of a method differ in their settings only. Brightness, contrast, saturation and hue come in an order drawn
    for each image. Windows are not rounded to whole pixels and read bilinearly, not bicubically. Tilt, slant and shift
    are off by default and in no paper: on images of a few pixels, such as digits, windows alone are too few different
    views. They are composed with the window, so that the image is resampled once. Grey images keep their color
    operations of brightness and contrast only.
    """

    class Params(RecipeParams):
        name: Literal["crop_jitter"] = "crop_jitter"
        area: float = param(0.08, gt=0, le=1, help="Minimum crop area, as a share of the image.")
        area_most: float = param(1.0, gt=0, le=1, advanced=True, help="Maximum crop area, as a share of the image.")
        aspect: float = param(4 / 3, ge=1, le=4, advanced=True, help="Maximum aspect ratio of the crop.")
        flip: Flip = param(
            "auto", help="Random horizontal flip (p = 0.5). auto: only where a mirrored image keeps its class."
        )
        brightness: float = param(0.4, ge=0, le=1, help="Brightness is multiplied by up to 1 ± this.")
        contrast: float = param(0.4, ge=0, le=1, help="Contrast is multiplied by up to 1 ± this.")
        saturation: float = param(0.2, ge=0, le=1, help="Saturation is multiplied by up to 1 ± this.")
        hue: float = param(0.1, ge=0, le=0.5, help="Hue is turned by up to ± this share of the color circle.")
        jitter: float = param(0.8, ge=0, le=1, advanced=True, help="Probability of color jitter.")
        grey: float = param(0.2, ge=0, le=1, advanced=True, help="Probability of grayscale.")
        blur: float = param(
            0.5,
            ge=0,
            le=1,
            advanced=True,
            help="Probability of Gaussian blur, with a kernel of a tenth of the side; below 30 pixels there is none.",
        )
        solarize: float = param(
            0.0, ge=0, le=1, advanced=True, help="Probability that all values from 128 on are inverted."
        )
        rotate: float = param(0.0, ge=0, le=180, unit="°", advanced=True, help="Maximum rotation, in either direction.")
        shear: float = param(0.0, ge=0, le=1, advanced=True, help="Maximum shear, in either direction.")
        shift: float = param(
            0.0,
            ge=0,
            le=1,
            advanced=True,
            help="Maximum translation, as a share of the side; filled with black.",
        )

    params: Params
    resizes: ClassVar[bool] = True

    @classmethod
    def suited(cls, traits: ImageTraits) -> dict[str, Any]:
        colors = {"hue": 0.0, "grey": 0.0} if traits.color_matters else {}
        colors |= {"solarize": 0.0} if traits.dark_ground else {}
        return colors | known(area=traits.smallest_crop, rotate=traits.tilt, shear=traits.slant, shift=traits.shift)

    def __call__(self, images: Tensor, generator: Generator) -> Tensor:
        batch, _, height, width = images.shape
        return self.apply(images, self.draw(batch, height, width, generator))

    def draw(self, batch: int, height: int, width: int, generator: Generator) -> Draw:
        """All random parameters of a batch, in one call of the generator. height, width: of the images."""
        params = self.params
        chance = uniform(generator, 2 * TRIES + 21, batch)
        window, geometry, colors, blurring, solarizing = np.split(chance, np.cumsum([2 * TRIES + 3, 5, 10, 2]))
        low, high = BLUR_SIGMA
        share = self.blur_share(*self._view_size(height, width))
        areas = (params.area, max(params.area, params.area_most))
        return Draw(
            window_of(window, height, width, areas, params.aspect, flips(params.flip, self.symmetries)),
            self._geometry(geometry, height, width),
            self._colors(colors),
            (blurring[0] < share) * (low + (high - low) * blurring[1]),
            Plan(
                np.where(params.solarize > solarizing.T, CODE["solarize"], CODE["identity"]),
                np.full((batch, 1), SOLARIZE_FROM),
            ),
        )

    def apply(self, images: Tensor, draw: Draw) -> Tensor:
        """The views that `draw` describes. images: uint8 [B, C, H, W]. Returns float32 [B, C, H, W] in [0, 1], H and W
        those of the views.
        """
        height, width = images.shape[2:]
        size = self._view_size(height, width)
        matrices = sources(draw.geometry.operations, draw.geometry.amounts, height, width)
        views = read(images.float(), matrices, *raster(draw.window, (height, width), size))
        blurred = blur(recolor(views, draw.colors), draw.sigma, kernel_of(*size))
        return recolor(blurred, draw.solarized) / 255

    def blur_share(self, height: int, width: int) -> float:
        """The probability of blur for views of so many pixels."""
        return self.params.blur if kernel_of(height, width) > 1 else 0.0

    def _view_size(self, height: int, width: int) -> tuple[int, int]:
        return (height, width) if self.size is None else (self.size, self.size)

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
        none = np.array([1, 1, 1, 0])
        most = np.array([params.brightness, params.contrast, params.saturation, params.hue])
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
