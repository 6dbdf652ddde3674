"""A queue of the newest features, for methods that compare with many more than a batch holds."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class FeatureQueue(nn.Module):
    """The `size` newest rows [D] that were pushed (MoCo, He et al. 2020, arXiv:1911.05722, algorithm 1); at first
    random directions of length 1, drawn from the global generator.
    """

    rows: Tensor
    position: Tensor

    def __init__(self, size: int, features: int) -> None:
        super().__init__()
        self.register_buffer("rows", F.normalize(torch.randn(size, features)))
        self.register_buffer("position", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def push(self, rows: Tensor) -> Tensor:
        """Replace the oldest rows by these, [B, D]; of more than `size` only the last ones stay. Returns where those
        are now, int64 [min(B, size)], for whoever keeps something else of each.
        """
        size = len(self.rows)
        rows = rows[-size:]
        places = (self.position + torch.arange(len(rows), device=self.rows.device)) % size
        self.rows.index_copy_(0, places, rows.to(self.rows.dtype))
        self.position.copy_((self.position + len(rows)) % size)
        return places
