"""The order in which images are shown: what a network is surest of first."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def most_confident(confidence: NDArray[np.floating[Any]], among: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Positions where `among` [n] is true, the largest of `confidence` [n] first; of equal ones the first."""
    positions = np.flatnonzero(among)
    return positions[np.argsort(-confidence[positions], kind="stable")]
