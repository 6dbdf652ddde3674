"""Prediction sets with a stated coverage, from held-out labels: split conformal prediction (Papadopoulos et al. 2002;
Angelopoulos and Bates, arXiv:2107.07511) with the least ambiguous sets (Sadinle et al., arXiv:1609.00451).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.runs.contents import is_number

Floats = NDArray[np.floating[Any]]
COVERAGES = (0.8, 0.9, 0.95, 0.99)
USUAL = 0.9
"""The coverage where nobody asks for another one."""


class Conformal(NamedTuple):
    """labels: how many held-out labels the cutoffs are from. cutoffs: by coverage, the probability from which on a
    class belongs to the set; a coverage for which there are too few labels is missing.
    """

    labels: int
    cutoffs: dict[float, float]

    def plain(self) -> dict[str, Any]:
        return {"labels": self.labels, "cutoffs": {f"{coverage:g}": cut for coverage, cut in self.cutoffs.items()}}

    @classmethod
    def read(cls, plain: object) -> Conformal:
        """What `plain` wrote. Raises ValueError for anything else."""
        cutoffs = plain.get("cutoffs") if isinstance(plain, Mapping) else None
        labels = plain.get("labels") if isinstance(plain, Mapping) else None
        if not isinstance(cutoffs, Mapping) or not isinstance(labels, int):
            raise ValueError("these are no cutoffs of prediction sets")
        read = {float(coverage): cut for coverage, cut in cutoffs.items()}
        if not all(0 < coverage < 1 and is_number(cut) and 0 <= cut <= 1 for coverage, cut in read.items()):
            raise ValueError("a coverage and a cutoff are between 0 and 1")
        return cls(labels, read)


def labels_needed(coverage: float) -> int:
    """The fewest held-out labels from which this coverage can be promised."""
    return next(n for n in range(1, 1_000_000) if rank_of(n, coverage) <= n)


def conformal(probabilities: Floats, labels: NDArray[np.int64]) -> Conformal:
    """Cutoffs from the calibrated probabilities [N, K] of held-out images and their labels [N].

    The cutoff is the ceil((N + 1) * coverage)-th largest probability of a true class. Sets of all classes from there on
    hold the true one with at least this probability, for an image drawn as the held-out ones were.
    """
    n = len(labels)
    of_truth = -np.sort(-probabilities[np.arange(n), labels].astype(np.float64))
    ranks = {coverage: rank_of(n, coverage) for coverage in COVERAGES}
    return Conformal(n, {coverage: float(of_truth[rank - 1]) for coverage, rank in ranks.items() if rank <= n})


def prediction_sets(probabilities: Floats, cutoff: float) -> NDArray[np.bool_]:
    """bool [N, K]: which classes are in the set of each image: those from the cutoff on, and the most probable one in
    any case, which adds to the coverage and leaves no set empty.
    """
    sets: NDArray[np.bool_] = probabilities.astype(np.float64) >= cutoff
    np.put_along_axis(sets, probabilities.argmax(-1)[..., None], True, -1)
    return sets


def rank_of(n: int, coverage: float) -> int:
    """Which of n held-out scores in order bounds the next one with this probability; above n where none does."""
    return math.ceil(round((n + 1) * coverage, 9))  # 20 * 0.95 may be a little more than 19
