"""Whether an embedding still tells images apart: the warning that a page shows beside the live metrics."""

from __future__ import annotations

from collections.abc import Sequence

from engine.errors import ShapeError

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
            f"The embedding is collapsing: its std fell from {first:.2f} to {last:.2f} (1 is even, 0 is one point"
            " for all images), so the loss may look fine while images can no longer be told apart. Make the views"
            " stronger, the batch larger or the learning rate lower."
        )
    if len(ranks) and ranks[-1] < LOST_RANK * ranks[0]:
        return (
            f"The embedding uses ever fewer directions: its rank fell from {ranks[0]:.0f} to {ranks[-1]:.0f}. Some loss"
            " is normal; this much often means that the views leave one easy hint, such as color: make them stronger."
        )
    return None
