"""An encoder with the linear probe that reads its features."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engine.analysis.probes import LinearProbe


class ProbedNetwork(nn.Module):
    """An encoder with a linear probe on its features: images [B, C, H, W] to (features [B, D], logits [B, K])."""

    mean: Tensor
    std: Tensor
    weight: Tensor
    bias: Tensor

    def __init__(self, encoder: nn.Module, classes: int, size: int) -> None:
        super().__init__()
        self.encoder = encoder
        for name, value in (
            ("mean", torch.zeros(size)),
            ("std", torch.ones(size)),
            ("weight", torch.zeros(classes, size)),
            ("bias", torch.zeros(classes)),
        ):
            self.register_buffer(name, value)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features, _ = self.encoder(images)
        return features, (features - self.mean) / self.std @ self.weight.T + self.bias

    def take(self, probe: LinearProbe) -> None:
        """Put a fitted probe's numbers in place."""
        for name, value in probe._asdict().items():
            getattr(self, name).copy_(torch.as_tensor(value))
