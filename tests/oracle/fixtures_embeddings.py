"""Two views' embeddings of four images for which the losses were worked out in float64, apart from the engine and
from any library; 12 decimals.
"""

from __future__ import annotations

import torch

A = torch.tensor([[1, 0, 2], [0, 1, -1], [-1, 2, 0], [2, -1, 1]], dtype=torch.float64)
B = torch.tensor([[1, 1, 1], [0, 2, -1], [-2, 1, 0], [1, -1, 2]], dtype=torch.float64)
# What a predictor made of A and of B.
P = torch.tensor([[1, 0, 1], [0, 1, 0], [-1, 1, 0], [1, -1, 1]], dtype=torch.float64)
Q = torch.tensor([[0, 1, 1], [1, 1, -2], [-1, 1, 1], [2, 0, 1]], dtype=torch.float64)
