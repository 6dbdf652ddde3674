"""Tables with a row per image: what a method remembers of each one between the passes."""

from __future__ import annotations

import torch
from torch import Tensor


def scatter_last_(table: Tensor, rows: Tensor, values: Tensor) -> None:
    """`table[rows] = values`, in place; of a row that comes several times in a batch the last value stays, on every
    device.

    table: [n, ...]. rows: int64 [B]. values: [B, ...].
    """
    order = torch.argsort(rows, stable=True)
    ordered = rows[order]
    last = torch.ones_like(ordered, dtype=torch.bool)
    last[:-1] = ordered[1:] != ordered[:-1]
    selected = order[last]
    table.index_copy_(0, rows[selected], values[selected].to(table.dtype))
