"""Sample ids to their positions in an array, in whatever order that has them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]


def find_ids(wanted: Ids, ids: Ids) -> Ids:
    """For each of `wanted` its position in `ids`, -1 where it is not among them. Of an id that stands there twice, the
    first one.
    """
    order = np.argsort(ids, kind="stable")
    positions = find_rising_ids(wanted, ids[order])
    return np.where(positions >= 0, order[positions], -1) if len(ids) else positions


def find_rising_ids(wanted: Ids, ids: Ids) -> Ids:
    """As `find_ids`, where `ids` rise: without sorting them, and of a memory map only what is compared is read."""
    if not len(ids):
        return np.full(len(wanted), -1, np.int64)
    positions = np.minimum(np.searchsorted(ids, wanted), len(ids) - 1)
    return np.where(ids[positions] == wanted, positions, -1)


def positions_of(wanted: Ids, ids: Ids) -> Ids:
    """As `find_ids`, where every wanted id is there. Raises KeyError for one that is not."""
    positions = find_ids(wanted, ids)
    if (positions < 0).any():
        raise KeyError(f"no sample {int(np.asarray(wanted)[positions < 0][0])} among these {len(ids)}")
    return positions
