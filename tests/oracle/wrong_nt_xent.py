"""Public mistakes in NT-Xent, kept so that tests can show that they would notice them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F


def cosines(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    rows = F.normalize(torch.cat((first, second)))
    return rows @ rows.T / temperature


def everything_a_positive(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """The mask turned around: all other images are positives, and the only "negative" of a row is itself. Its
    minimum, 0, is full collapse.
    """
    logits = cosines(first, second, temperature)
    own = torch.eye(len(logits), dtype=torch.bool)
    positives, negatives = logits[~own].view(len(logits), -1), logits[own].view(len(logits), 1)
    return -torch.log(positives.exp() / negatives.exp().sum(1, keepdim=True)).mean()


def itself_in_the_denominator(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    logits = cosines(first, second, temperature)
    return F.cross_entropy(logits, torch.arange(len(logits)).roll(len(first)))


def itself_as_zero(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """The diagonal set to 0 before the exponential, which adds exp(0) = 1."""
    logits = cosines(first, second, temperature)
    return F.cross_entropy(
        logits.masked_fill(torch.eye(len(logits), dtype=torch.bool), 0), torch.arange(len(logits)).roll(len(first))
    )


def without_the_positive(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    logits = cosines(first, second, temperature)
    other = torch.arange(len(logits)).roll(len(first))
    rows = torch.arange(len(logits))
    masked = logits.clone()
    masked[rows, rows] = masked[rows, other] = -torch.inf
    return (masked.logsumexp(1) - logits[rows, other]).mean()


def across_views_only(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """One direction, and the other images' second views only."""
    logits = F.normalize(first) @ F.normalize(second).T / temperature
    return F.cross_entropy(logits, torch.arange(len(logits)))


def positive_counted_twice(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    logits = cosines(first, second, temperature)
    rows, other = torch.arange(len(logits)), torch.arange(len(logits)).roll(len(first))
    others = logits.masked_fill(torch.eye(len(logits), dtype=torch.bool), -torch.inf)
    return F.cross_entropy(torch.cat((logits[rows, other, None], others), 1), torch.zeros_like(rows))


WRONG: dict[Callable[[Tensor, Tensor, float], Tensor], float] = {
    everything_a_positive: 1.910213649347,
    itself_in_the_denominator: 1.412454262678,
    itself_as_zero: 1.066553180125,
    without_the_positive: 0.523220703158,
    across_views_only: 0.658006419910,
    positive_counted_twice: 1.316392960418,
}
"""What each makes of A and B at temperature 0.5; the right value is 0.999425919488."""
