"""Figures of an embedding as it is learned: whether it still tells images apart, or collapses."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


@torch.no_grad()
def embedding_metrics(first: Tensor, second: Tensor) -> dict[str, Tensor]:
    """Four figures of two views' embeddings, [N, D] each, row by row of the same images; N at least 2. 0-d tensors in
    float32 or better.

    `embedding/spread` and `embedding/rank` are those of `first` alone. `embedding/alignment`: mean squared distance of
    the two views of an image, 0 to 4; `embedding/uniformity`: ln mean exp(-2 d²) over all pairs of different images, 0
    where all rows are equal, lower is more even (both Wang & Isola 2020, arXiv:2005.10242; of normalized rows).
    """
    with torch.autocast(first.device.type, enabled=False):
        dtype = torch.promote_types(first.dtype, torch.float32)
        first, second = first.to(dtype), second.to(dtype)
        a, b = F.normalize(first), F.normalize(second)
        apart = torch.pdist(a).square()
        return {
            **spread_and_rank(first),
            "embedding/alignment": (a - b).square().sum(1).mean(),
            "embedding/uniformity": torch.exp(-2 * apart).mean().log(),
        }


@torch.no_grad()
def spread_and_rank(embedding: Tensor) -> dict[str, Tensor]:
    """The two figures that tell a collapse, of one embedding per image, [N, D]; N at least 2.

    `embedding/spread`: standard deviation of the normalized coordinates, averaged, times √D (Chen & He 2021,
    arXiv:2011.10566, section 4): 1 where directions are spread evenly, 0 where all rows are equal.
    `embedding/rank`: RankMe (Garrido et al. 2023, arXiv:2210.02885), the dimensions in use; uncentered, unnormalized.
    At most min(N, D).
    """
    with torch.autocast(embedding.device.type, enabled=False):
        rows = embedding.to(torch.promote_types(embedding.dtype, torch.float32))
        # The eigenvalues of the D x D (or N x N) products are the squared singular values, at a tenth of the price.
        gram = rows.T @ rows if len(rows) > rows.shape[1] else rows @ rows.T
        singular = torch.linalg.eigvalsh(gram.double()).clamp_min(0).sqrt()
        share = singular / singular.sum().clamp_min(1e-12) + 1e-7
        return {
            "embedding/spread": F.normalize(rows).std(0).mean() * rows.shape[1] ** 0.5,
            "embedding/rank": torch.exp(-(share * share.log()).sum()),
        }
