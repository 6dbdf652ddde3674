"""The operations of RandAugment by name and number (FixMatch, Sohn et al. 2020, appendix: 14 of them, no inversion)."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

Operation = Literal[
    "auto_contrast",
    "brightness",
    "color",
    "contrast",
    "equalize",
    "identity",
    "posterize",
    "rotate",
    "sharpness",
    "shear_x",
    "shear_y",
    "solarize",
    "translate_x",
    "translate_y",
]
OPERATIONS: tuple[str, ...] = get_args(Operation)
CODE = {name: number for number, name in enumerate(OPERATIONS)}
GEOMETRIC = ("rotate", "shear_x", "shear_y", "translate_x", "translate_y")
FACTORS = ("brightness", "color", "contrast", "sharpness")

Codes = NDArray[np.int64]  # numbers of operations: looking them up costs a hundredth of comparing names
Amounts = NDArray[np.float64]


def table(names: tuple[str, ...]) -> NDArray[np.bool_]:
    """bool [14]: True at the numbers of `names`, to be indexed with codes."""
    marks = np.zeros(len(OPERATIONS), dtype=bool)
    marks[[CODE[name] for name in names]] = True
    return marks
