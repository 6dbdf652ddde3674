"""Figures of an embedding as it is learned: whether it still tells images apart, or collapses."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


@torch.no_grad()
def embedding_metrics(first: Tensor, second: Tensor) -> dict[str, Tensor]:
    """Four figures of two views' embeddings, [N, D] each, row by row of the same images; N at least 2. 0-d tensors in
    float32 or better.

    `embedding/spread`: standard deviation of the normalized coordinates, averaged, times √D (Chen & He 2021,
    arXiv:2011.10566, section 4): 1 where directions are spread evenly, 0 where all rows are equal. Of `first` alone.
    `embedding/rank`: RankMe (Garrido et al. 2023, arXiv:2210.02885), the dimensions in use; uncentered, unnormalized,
    of `first` alone. At most min(N, D). `embedding/alignment`: mean squared distance of the two views of an image, 0
    to 4; `embedding/uniformity`: ln mean exp(-2 d²) over all pairs of different images, 0 where all rows are equal,
    lower is more even (both Wang & Isola 2020, arXiv:2005.10242; of normalized rows).
    """
    with torch.autocast(first.device.type, enabled=False):
        dtype = torch.promote_types(first.dtype, torch.float32)
        first, second = first.to(dtype), second.to(dtype)
        a, b = F.normalize(first), F.normalize(second)
        # The eigenvalues of the D x D (or N x N) products are the squared singular values, at a tenth of the price.
        gram = first.T @ first if len(first) > first.shape[1] else first @ first.T
        singular = torch.linalg.eigvalsh(gram.double()).clamp_min(0).sqrt()
        share = singular / singular.sum().clamp_min(1e-12) + 1e-7
        apart = torch.pdist(a).square()
        return {
            "embedding/spread": a.std(0).mean() * a.shape[1] ** 0.5,
            "embedding/rank": torch.exp(-(share * share.log()).sum()),
            "embedding/alignment": (a - b).square().sum(1).mean(),
            "embedding/uniformity": torch.exp(-2 * apart).mean().log(),
        }
