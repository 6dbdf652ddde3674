"""The mean of the last batches' predictions."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class RecentMean(nn.Module):
    """Mean of the `size` rows [K] that were pushed last, each 1/K at first (ReMixMatch, Berthelot et al. 2020,
    arXiv:1911.09785, section 3.1: the last 128 batches).
    """

    rows: Tensor
    position: Tensor

    def __init__(self, size: int, classes: int) -> None:
        super().__init__()
        self.register_buffer("rows", torch.full((size, classes), 1 / classes))
        self.register_buffer("position", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def push(self, row: Tensor) -> None:
        """Take in one row [K] in place of the oldest."""
        self.rows.index_copy_(0, self.position.view(1), row.to(self.rows.dtype).view(1, -1))
        self.position.copy_((self.position + 1) % len(self.rows))

    def forward(self) -> Tensor:
        return self.rows.mean(0)
