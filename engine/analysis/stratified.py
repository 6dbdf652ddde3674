"""A few of many points that stand for all of them: the same ones every time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


def stratified(ids: Ints, strata: Ints, first: NDArray[np.bool_], limit: int) -> Ints:
    """Places, rising, of at most `limit` of the samples: those in `first` before all others, and of each stratum its
    share.

    ids, strata: [N]; first: bool [N]. Chance is a hash of the id, so what is drawn depends on neither order nor seed,
    and the points of a smaller draw from the same samples are among those of a larger one.
    """
    if len(ids) <= limit:
        return np.arange(len(ids))
    rank = _scrambled(ids)
    turn = np.empty(len(ids))
    for group in np.unique(np.stack([strata, first]), axis=1).T:
        positions = np.nonzero((strata == group[0]) & (first == group[1]))[0]
        positions = positions[np.argsort(rank[positions], kind="stable")]
        # Cut at any height, each group has given the same share.
        turn[positions] = (np.arange(len(positions)) + 0.5) / len(positions)
    return np.sort(np.lexsort((rank, turn, ~first))[:limit])


def _scrambled(ids: Ints) -> NDArray[np.uint64]:
    """splitmix64 (Steele, Lea & Flood 2014) of each id."""
    x = ids.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
