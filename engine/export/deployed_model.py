"""What an exported file computes: from images as bytes to calibrated probabilities."""

from __future__ import annotations

from torch import Tensor, nn

from engine.predictor import Predictor


class DeployedModel(nn.Module):
    """uint8 [B, C, H, W], images in the size and colors of the run's own, to float32 [B, K]: class probabilities,
    calibrated where the run has a temperature. Normalization, network, and probe or neighbors where they answer.
    """

    def __init__(self, predictor: Predictor) -> None:
        super().__init__()
        self.served, self._temperature = predictor.served, predictor.temperature or 1.0

    def forward(self, images: Tensor) -> Tensor:
        _, logits = self.served(images.float() / 255)
        probabilities: Tensor = (logits.float() / self._temperature).softmax(1)
        return probabilities
