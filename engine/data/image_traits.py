"""What is true of the images of a data set, whatever is done with them: view recipes read it."""

from __future__ import annotations

from typing import NamedTuple


class ImageTraits(NamedTuple):
    """None: nothing in particular is known, and a recipe keeps what its paper says. Whether images may be mirrored is
    not here but among a set's `symmetries`.

    smallest_crop: share of an image's area in which its class can still be recognized. tilt: degrees by which such
    images vary by themselves, in either direction. slant: the same as a shear. shift: the same as a share of the side.
    largest_hole: share of the side of a square that may be hidden. dark_ground: bright figures on black, which
    solarizing would erase. color_matters: color tells classes apart.

    fills_frame: each image is one figure on plain ground, scaled until its longer side takes this share of the frame; a
    user's image is prepared in the same way before it is classified. stroke: usual width of such a figure's strokes, as
    a share of its longer side; None where it has none.
    """

    smallest_crop: float | None = None
    tilt: float | None = None
    slant: float | None = None
    shift: float | None = None
    largest_hole: float | None = None
    dark_ground: bool = False
    color_matters: bool = False
    fills_frame: float | None = None
    stroke: float | None = None


def known(**settings: object) -> dict[str, object]:
    """The settings that are not None."""
    return {name: value for name, value in settings.items() if value is not None}
