"""Temperature scaling: one number that makes a trained network as sure as it is right (Guo et al. 2017,
arXiv:1706.04599).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import ShapeError

Floats = NDArray[np.floating[Any]]
RANGE = (0.05, 20.0)
_TINY = 1e-7  # probabilities are stored in half precision, where the small ones are 0


def scaled(probabilities: Floats, temperature: float) -> Floats:
    """softmax(log(p) / temperature), [N, K]: the same as dividing the logits, which differ from log(p) by a constant
    per row.
    """
    logits = np.log(np.maximum(probabilities.astype(np.float64), _TINY)) / temperature
    logits -= logits.max(1, keepdims=True)
    powers = np.exp(logits)
    result: Floats = powers / powers.sum(1, keepdims=True)
    return result


def fit_temperature(probabilities: Floats, labels: NDArray[np.int64]) -> float:
    """The temperature in RANGE with the least negative log likelihood of `labels` [N]. probabilities: [N, K]. Raises
    ShapeError if N is 0.

    Fitted on validation images, never on those that calibration is then measured on.
    """
    from scipy.optimize import minimize_scalar

    if len(labels) == 0 or len(labels) != len(probabilities):
        raise ShapeError(
            f"A temperature is fitted to probabilities and labels of one length above 0, not {len(probabilities)} and"
            f" {len(labels)}."
        )
    rows = np.arange(len(labels))

    def loss(log_temperature: float) -> float:
        return float(
            -np.log(np.maximum(scaled(probabilities, float(np.exp(log_temperature)))[rows, labels], 1e-300)).mean()
        )

    optimum = minimize_scalar(loss, bounds=tuple(np.log(RANGE)), method="bounded", options={"xatol": 1e-4})
    return float(np.exp(optimum.x))
