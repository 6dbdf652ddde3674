"""Operations on images, RandAugment's among them, and the plan that names those of every sample: drawn here, applied
elsewhere.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

# The order in which the images of a batch are worked on: those that share a step stand together, and color operations
# have the lowest places.
BLENDS = ("brightness", "contrast", "color", "sharpness")
COLORS = (*BLENDS, "posterize", "solarize", "auto_contrast", "equalize", "hue")
GEOMETRY = ("rotate", "shear_x", "shear_y", "translate_x", "translate_y")
KNOWN = (*COLORS, *GEOMETRY, "identity")
"""Every operation; a plan refers to them by their place in this tuple."""

OPERATIONS = tuple(name for name in KNOWN if name != "hue")
"""The 14 operations of FixMatch's appendix, which RandAugment draws from."""

Operation = Literal[
    "brightness",
    "contrast",
    "color",
    "sharpness",
    "posterize",
    "solarize",
    "auto_contrast",
    "equalize",
    "rotate",
    "shear_x",
    "shear_y",
    "translate_x",
    "translate_y",
    "identity",
]

CODE = {name: code for code, name in enumerate(KNOWN)}


class Ranges(NamedTuple):
    """How far the geometric operations go at magnitude 10. rotate: degrees. shear: slope. shift: share of the side."""

    rotate: float = 30.0
    shear: float = 0.3
    shift: float = 0.3


class Plan(NamedTuple):
    """n operations for each sample, in the order of application, on the CPU. operations: int64 [B, n], places in KNOWN.
    amounts: float64 [B, n].

    What an amount means depends on its operation: brightness, contrast, color, sharpness: the factor, 1 leaves the
    image alone; posterize: bits kept, 0..8; solarize: the value from which pixels are inverted; rotate: degrees,
    counterclockwise; shear_x, shear_y: the slope; translate_x, translate_y: pixels, to the right and down; hue: turns
    of the color circle, -0.5..0.5; auto_contrast, equalize, identity: nothing.
    """

    operations: Ints
    amounts: Floats

    def rows(self, names: tuple[str, ...]) -> Ints:
        """Samples that have at least one of these operations: [r], ascending."""
        wanted = np.zeros(len(KNOWN), dtype=bool)
        wanted[[CODE[name] for name in names]] = True
        return np.flatnonzero(wanted[self.operations].any(1))


def plan_of(chance: Floats, choices: Ints, magnitude: float, ranges: Ranges, height: int, width: int) -> Plan:
    """A plan from uniform numbers in [0, 1): chance [2, n, B]. choices: the operations to draw from, with replacement.

    Amounts are uniform over FixMatch's ranges, shrunk towards "no change" by magnitude / 10: at 10, factors in [0.05,
    0.95], 4 to 7 bits, solarize from any value, and `ranges` in both directions. auto_contrast and equalize have no
    amount, so magnitude leaves them as they are.
    """
    share = magnitude / 10
    none, most = np.zeros(len(KNOWN)), np.zeros(len(KNOWN))
    for name in BLENDS:
        none[CODE[name]], most[CODE[name]] = 1 - 0.05 * share, 1 - 0.95 * share
    none[CODE["posterize"]], most[CODE["posterize"]] = 8, 8 - 4 * share
    none[CODE["solarize"]], most[CODE["solarize"]] = 256, 256 * (1 - share)
    reach = (ranges.rotate, ranges.shear, ranges.shear, ranges.shift * width, ranges.shift * height)
    for name, furthest in zip(GEOMETRY, reach, strict=True):
        none[CODE[name]], most[CODE[name]] = -furthest * share, furthest * share
    operations = choices[(chance[0].T * len(choices)).astype(np.int64)]  # [B, n]
    amounts = none[operations] + (most - none)[operations] * chance[1].T
    return Plan(operations, np.where(operations == CODE["posterize"], np.floor(amounts), amounts))
