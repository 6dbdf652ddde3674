"""What a run with several possible labels per image believed at one evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.analysis.candidates import SURE, ambiguity_left, identified, survivors

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True)
class CandidateWeights:
    """Of the images with several candidates. ids, true_labels: int64 [n], the latter -1 where unknown; weights: float32
    [n, K], each row a distribution over its candidates; sets: bool [n, K].
    """

    ids: Ids
    weights: npt.NDArray[np.float32]
    sets: npt.NDArray[np.bool_]
    true_labels: Ids

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def heaviest(self) -> Ids:
        """int64 [n]: the candidate with the largest weight."""
        heaviest: Ids = np.where(self.sets, self.weights, -1).argmax(1)
        return heaviest

    @cached_property
    def largest(self) -> npt.NDArray[np.float32]:
        """[n]: that weight."""
        return self.weights[np.arange(len(self)), self.heaviest]

    @property
    def identified(self) -> float | None:
        """Share whose heaviest candidate is the true label, as are the next two; None where there is none to count."""
        return identified(self.weights, self.sets, self.true_labels)

    @property
    def ambiguity(self) -> float | None:
        return ambiguity_left(self.weights, self.sets)

    @property
    def survivors(self) -> float | None:
        return survivors(self.weights, self.sets, self.true_labels)

    def wrong_survivors(self) -> npt.NDArray[np.int64]:
        """Rows in which a wrong candidate has won, the heaviest first."""
        known = self.true_labels >= 0
        rows = np.flatnonzero(known & (self.heaviest != self.true_labels) & (self.largest > SURE))
        return rows[np.argsort(-self.largest[rows], kind="stable")]

    def undecided(self) -> npt.NDArray[np.int64]:
        """All rows, the least decided first."""
        return np.argsort(self.largest, kind="stable")

    def decided_rightly(self) -> npt.NDArray[np.int64]:
        """Rows in which the true label has won, the heaviest first."""
        rows = np.flatnonzero((self.heaviest == self.true_labels) & (self.largest > SURE))
        return rows[np.argsort(-self.largest[rows], kind="stable")]


def several_only(
    ids: Ids, weights: npt.NDArray[np.floating[Any]], sets: npt.NDArray[np.bool_], truth: Ids
) -> CandidateWeights:
    """Without the images that have one candidate: nothing is open there."""
    rows = sets.sum(1) > 1
    return CandidateWeights(ids[rows], weights[rows].astype(np.float32), sets[rows], truth[rows])
