"""MixUp, sharpening and alignment: what MixMatch and its successors do to targets and images."""

from __future__ import annotations

from torch import Tensor


def mix_up(rows: Tensor, order: Tensor, share: Tensor) -> Tensor:
    """share · rows + (1 - share) · rows[order] (MixUp, Zhang et al. 2018, arXiv:1710.09412).

    rows: [N, ...]. order: int64 [N]. share: [N], or [1] for all alike.
    """
    shares = share.view(-1, *(1 for _ in rows.shape[1:])).to(rows.dtype)
    return shares * rows + (1 - shares) * rows[order]


def sharpen(probabilities: Tensor, temperature: float) -> Tensor:
    """p^(1/T), normalized: [N, K] to [N, K] (MixMatch, Berthelot et al. 2019, arXiv:1905.02249, eq. 7)."""
    powers = probabilities.pow(1 / temperature)
    return powers / powers.sum(1, keepdim=True)


def align(probabilities: Tensor, average: Tensor, target: Tensor | float = 1.0) -> Tensor:
    """p · target / average, normalized: [N, K] to [N, K] (distribution alignment, ReMixMatch, Berthelot et al. 2020,
    arXiv:1911.09785, section 3.1).

    average: [K], what is predicted on average, above 0. target: [K], what should be; 1 for all classes alike.
    """
    aligned = probabilities * (target / average)
    return aligned / aligned.sum(1, keepdim=True)
