"""Whether an embedding still tells images apart: figures of stored embeddings, and the warning a page shows beside
the live ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import ShapeError

Floats = NDArray[np.floating[Any]]

COLLAPSED = 0.5
"""Spread below which directions are bunched: half of what evenly spread ones have (Chen & He 2021, arXiv:2011.10566,
section 4).
"""
SHRUNK = 0.8
"""Share of its first value that the spread must have lost besides: an untrained network's embedding is bunched too, and
no collapse.
"""
LOST_RANK = 0.2
"""Share of its first value below which the rank counts as lost; training that goes well halves or thirds it."""


def spread(embedding: Floats) -> float:
    """Standard deviation of the normalized coordinates, averaged, times √D: 1 where directions are even, 0 where all
    rows are equal. [N, D], N at least 2.
    """
    rows = embedding / np.maximum(np.linalg.norm(embedding, axis=1, keepdims=True), 1e-12)
    return float(rows.std(0, ddof=1).mean() * embedding.shape[1] ** 0.5)


def effective_rank(embedding: Floats) -> float:
    """RankMe: the exponential of the entropy of the singular values' shares (Garrido et al. 2023, arXiv:2210.02885),
    uncentered. [N, D]; at most min(N, D).
    """
    values = np.linalg.svd(embedding, compute_uv=False)
    share = values / max(float(values.sum()), 1e-12) + 1e-7
    return float(np.exp(-(share * np.log(share)).sum()))


def collapse_warning(spreads: Sequence[float], ranks: Sequence[float] = ()) -> str | None:
    """One sentence if the embedding has collapsed or is on the way, else None.

    spreads, ranks: the values of `embedding/spread` and `embedding/rank` so far, oldest first; the first is that of the
    untrained network, against which the last is judged. Raises ShapeError for a curve without a value in spreads.
    """
    if not len(spreads):
        raise ShapeError("spreads must have at least one value: the untrained network's.")
    first, last = spreads[0], spreads[-1]
    if last < COLLAPSED and last < SHRUNK * first:
        return (
            f"The embedding is collapsing: its spread fell from {first:.2f} to {last:.2f} (1 is even, 0 is one point"
            " for all images), so the loss may look fine while images can no longer be told apart. Make the views"
            " stronger, the batch larger or the learning rate lower."
        )
    if len(ranks) and ranks[-1] < LOST_RANK * ranks[0]:
        return (
            f"The embedding uses ever fewer directions: its rank fell from {ranks[0]:.0f} to {ranks[-1]:.0f}. Some loss"
            " is normal; this much often means that the views leave one easy hint, such as color: make them stronger."
        )
    return None
