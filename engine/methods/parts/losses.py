"""Formulas that several methods share, each with an oracle of its own."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.errors import ShapeError


def masked_cross_entropy(logits: Tensor, labels: Tensor, weight: Tensor) -> Tensor:
    """Cross-entropy of the used rows, averaged over all rows (FixMatch, Sohn et al. 2020, arXiv:2001.07685, eq. 4).

    logits: [U, K], any float type, computed in float32. labels: int64 [U], 0..K-1. weight: bool or float [U] in [0, 1].
    Returns a scalar in nats; 0, with zero gradient, when no row is used. Raises ShapeError if the three disagree in U.
    """
    if not len(logits) == len(labels) == len(weight):
        raise ShapeError(
            f"logits, labels and weight must have one length, but have {len(logits)}, {len(labels)} and {len(weight)}."
        )
    losses = F.cross_entropy(logits.float(), labels, reduction="none")  # [U]
    # Mean over all U: dividing by weight.sum() would let the first confident few dominate.
    return (losses * weight).mean()


def soft_cross_entropy(logits: Tensor, weights: Tensor) -> Tensor:
    """Cross-entropy against a distribution over classes, averaged over rows: mean of -sum_k w_k log p_k.

    logits: [B, K], any float type, computed in float32. weights: float [B, K], each row sums to 1; no gradient flows
    into them. Returns a scalar in nats. Raises ShapeError if the two differ in shape.
    """
    if logits.shape != weights.shape:
        raise ShapeError(
            f"logits and weights must have one shape, but have {list(logits.shape)} and {list(weights.shape)}."
        )
    return -(weights.detach() * F.log_softmax(logits.float(), 1)).sum(1).mean()


def restricted_softmax(logits: Tensor, candidates: Tensor) -> Tensor:
    """Softmax over the candidates alone, 0 elsewhere: the network's probabilities, divided by their sum over the set.

    logits: [B, K]. candidates: bool [B, K], at least one in each row. Returns float32 [B, K]. Raises ShapeError if the
    two differ in shape.
    """
    if logits.shape != candidates.shape:
        raise ShapeError(
            f"logits and candidates must have one shape, but have {list(logits.shape)} and {list(candidates.shape)}."
        )
    # Masked before the softmax: a candidate whose probability underflows keeps its place among the others.
    return logits.float().masked_fill(~candidates, float("-inf")).softmax(1)


def nt_xent(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """NT-Xent, the normalized temperature-scaled cross-entropy (SimCLR, Chen et al. 2020, arXiv:2002.05709, eq. 1 and
    algorithm 1).

    first, second: [N, D], two views of the same N images, row by row, any float type, computed in float32 or better;
    normalized here. Each of the 2N rows picks its other view out of all 2N-1 other rows, by cosine over temperature.
    Returns the mean, a scalar in nats: ln(2N-1) if all rows are equal. The authors' code returns twice this value.
    Raises ShapeError if the two differ in shape.
    """
    if first.shape != second.shape or first.ndim != 2:
        raise ShapeError(
            f"first and second must have one shape [N, D], but have {list(first.shape)} and {list(second.shape)}."
        )
    count = len(first)
    with torch.autocast(first.device.type, enabled=False):  # the product of bfloat16 rows would round cosines to 8 bits
        rows = F.normalize(torch.cat((first, second)).to(torch.promote_types(first.dtype, torch.float32)))  # [2N, D]
        logits = rows @ rows.T / temperature  # [2N, 2N]
    # -inf, not 0: a row is no choice of its own, and exp(0) would count as one. The other view stays in: it is the
    # right answer.
    logits = logits.masked_fill(torch.eye(2 * count, dtype=torch.bool, device=rows.device), -torch.inf)
    return F.cross_entropy(logits, torch.arange(2 * count, device=rows.device).roll(count))


def linear_ramp(progress: float, end: float) -> float:
    """0 at the start of the run, 1 from the share `end` of it on; 1 throughout if `end` is 0."""
    return 1.0 if end <= 0 else min(1.0, progress / end)
