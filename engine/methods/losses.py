"""Formulas that several methods share, each with an oracle of its own."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from engine.errors import ShapeError


def masked_cross_entropy(logits: Tensor, labels: Tensor, weight: Tensor) -> Tensor:
    """Cross-entropy of the used rows, averaged over all rows (FixMatch, Sohn et al. 2020, arXiv:2001.07685, eq. 4).

    logits: [U, K], any float type, computed in float32. labels: int64 [U], 0..K-1. weight: bool or float [U] in [0, 1].
    Returns a scalar in nats; 0, with zero gradient, when no row is used. Raises ShapeError if the three disagree in U.
    """
    if not len(logits) == len(labels) == len(weight):
        raise ShapeError(f"logits, labels and weight must have one length, but have {len(logits)}, {len(labels)} and {len(weight)}.")
    losses = F.cross_entropy(logits.float(), labels, reduction="none")  # [U]
    # Mean over all U: dividing by weight.sum() would let the first confident few dominate.
    return (losses * weight).mean()


def linear_ramp(progress: float, end: float) -> float:
    """0 at the start of the run, 1 from the share `end` of it on; 1 throughout if `end` is 0."""
    return 1.0 if end <= 0 else min(1.0, progress / end)
