"""What an exported file computes: from images as bytes to calibrated probabilities, and how familiar an image is."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from engine.predictor import Predictor


class DeployedModel(nn.Module):
    """uint8 [B, C, H, W], images in the size and colors of the run's own, to float32 [B, K]: class probabilities,
    calibrated where the run has a temperature; and where it kept labeled images float32 [B], the cosine distance to the
    nearest one. Normalization, network, and probe or neighbors where they answer.
    """

    def __init__(self, predictor: Predictor) -> None:
        super().__init__()
        self.served, self._temperature = predictor.served, predictor.temperature or 1.0
        self.labeled: Tensor | None
        self.register_buffer(
            "labeled", None if predictor.labeled is None else torch.as_tensor(predictor.labeled.features)
        )

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        features, logits = self.served(images.float() / 255)
        probabilities: Tensor = (logits.float() / self._temperature).softmax(1)
        if self.labeled is None:
            return (probabilities,)
        cosines = functional.normalize(features.float(), eps=1e-12) @ self.labeled.T
        return probabilities, (1 - cosines.amax(1)).clamp(min=0)
