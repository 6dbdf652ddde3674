"""Which predictions become labels where a number of them shall."""

from __future__ import annotations

import torch
from torch import Tensor


def most_confident(rows: Tensor, confidence: Tensor, predicted: Tensor, count: int, classes: int = 1) -> Tensor:
    """The `count` most confident of the rows, int64 [m], most confident first; of several classes, each gives at most
    its share of them.

    rows: int64 [m] into confidence, float [n], and predicted, int64 [n].
    """
    order = rows[torch.argsort(confidence[rows], descending=True, stable=True)]
    if classes == 1:
        return order[:count]
    shares = [count // classes + (k < count % classes) for k in range(classes)]
    return torch.cat([order[predicted[order] == k][:share] for k, share in enumerate(shares)])
