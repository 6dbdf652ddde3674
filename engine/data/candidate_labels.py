"""Candidate sets: for each image the labels it may have, the true one always among them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Candidates = NDArray[np.bool_]


def uniform_candidates(
    labels: NDArray[np.int64], classes: int, rate: float, rng: np.random.Generator, repair: bool
) -> Candidates:
    """Each wrong label joins the true one with probability `rate`, by itself.

    labels: int64 [n], 0..K-1. Returns bool [n, K]. With `repair`, an image that no wrong label joined gets one at
    random (PRODEN, Lv et al. 2020, arXiv:2002.08053, section 4.1); without, some sets hold the true label alone (PiCO,
    Wang et al. 2022, arXiv:2201.08984).
    """
    n = len(labels)
    sets = rng.random((n, classes)) < rate
    forced = (
        labels + rng.integers(1, classes, n)
    ) % classes  # a wrong label each; drawn always, so that `repair` changes no other draw
    rows = np.arange(n)
    sets[rows, labels] = True
    if repair:
        alone = sets.sum(1) == 1
        sets[rows[alone], forced[alone]] = True
    return sets
