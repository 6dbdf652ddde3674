"""simclr: SimCLR's views, with the one strength that its paper states."""

from __future__ import annotations

from typing import Any, Literal

from engine.augment.recipes.crop_jitter import CropJitter, kernel_of
from engine.augment.recipes.weak import Flip
from engine.config.parts import RecipeParams
from engine.config.settings import param
from engine.data.image_traits import ImageTraits, known
from engine.registry import recipes

BLUR_FROM = 64
"""Pixels from which images are blurred: at 32 the paper's appendix B.9 leaves it out, at 8 the kernel would be the
image.
"""
SHARED = ("area", "aspect", "flip", "jitter", "grey", "rotate", "shear", "shift")


@recipes.register
class SimCLRView(CropJitter):
    """SimCLR's augmentation (Chen et al. 2020, arXiv:2002.05709, appendix A): random resized crop, flip, color jitter,
    grey, blur.

    The paper's strength is 1 for photos and 0.5 at 32 pixels. What else is to be said stands at crop_jitter, of which
    this is the spelling with one strength for all colors.
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

    def __init__(
        self, params: SimCLRView.Params, symmetries: frozenset[str], channels: int, size: int | None = None
    ) -> None:
        most = 0.8 * params.strength
        settings: dict[str, Any] = {name: getattr(params, name) for name in SHARED}
        settings |= {"brightness": most, "contrast": most, "saturation": most, "hue": 0.2 * params.strength}
        super().__init__(CropJitter.Params(**settings), symmetries, channels, size)
        self._blur = params.blur

    @classmethod
    def suited(cls, traits: ImageTraits) -> dict[str, Any]:
        colors = {"grey": 0.0} if traits.color_matters else {}
        return colors | known(area=traits.smallest_crop, rotate=traits.tilt, shear=traits.slant, shift=traits.shift)

    def blur_share(self, height: int, width: int) -> float:
        on = self._blur == "on" or (self._blur == "auto" and min(height, width) >= BLUR_FROM)
        return 0.5 if on and kernel_of(height, width) > 1 else 0.0
