"""Chance for some rows of a batch: what these rows would draw if the whole batch were augmented at once."""

from __future__ import annotations

import torch


class RowsOfBatch(torch.Generator):
    """A generator from which `uniform` draws for all `total` images of a batch, and gives what belongs to `rows`."""

    rows: slice
    total: int


def rows_of_batch(seed: int, rows: slice, total: int) -> RowsOfBatch:
    generator = RowsOfBatch()
    generator.manual_seed(seed)
    generator.rows, generator.total = rows, total
    return generator
