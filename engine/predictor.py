"""Predictor: a stranger's image to probabilities, with a trained run's model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from engine.errors import RunError
from engine.images.fit import fit_image
from engine.runs.folder import RunFolder
from engine.training.model_file import load_model


class Prediction(NamedTuple):
    """probabilities: float [K], by class. seen: uint8 [C, H, W], what the network was given. inverted: whether black
    and white were swapped.
    """

    probabilities: NDArray[np.float32]
    seen: NDArray[np.uint8]
    inverted: bool


class Predictor:
    """The served network of a run; where the method learns no classes, the linear probe on its features answers.

    probe: what that probe is (`labels`, `protocol` ...), or None. temperature: by which logits would have to be divided
    for the confidence to be right on average (fitted on validation), or None; probabilities are given as the network
    has them. Raises RunError if the run has no model, a damaged or newer one, or one whose data had no label for a
    probe.
    """

    def __init__(self, folder: RunFolder) -> None:
        self._served, about = load_model(folder)
        self.class_names: list[str] = about["class_names"]
        self.channels: int = about["problem"]["channels"]
        self.size: int = about["problem"]["size"]
        self.background: float = about["background"]
        self.fit: Literal["pad", "crop", "squash"] = about["config"]["data"].get("fit", "pad")
        self.metrics: dict[str, float] = about["metrics"]
        self.temperature: float | None = about.get("temperature")
        self.probe: dict[str, Any] | None = about.get("probe")
        if self.probe is not None and not self.probe.get("labels"):
            raise RunError(
                f"Run {folder.id} learned features and no classes, and its images have no labels for a probe: give"
                " some of them a label and start it again."
            )

    def predict(self, images: Sequence[NDArray[np.uint8]]) -> list[Prediction]:
        """images: decoded, uint8 [H, W, C] of any size, C 1 or 3. Brought to the data set's size and colors first, as
        its own images were.
        """
        fitted = [fit_image(image, self.size, self.channels, self.fit, background=self.background) for image in images]
        if not fitted:
            return []
        probabilities = self.probabilities(np.stack([f.pixels for f in fitted]))
        return [Prediction(p, f.pixels, f.inverted) for p, f in zip(probabilities, fitted, strict=True)]

    def probabilities(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """uint8 [N, C, H, W] of the data set's own size to float [N, K]."""
        with torch.inference_mode():
            # A part of a memory-mapped set is read-only, about which torch warns: a copy of that is no loss.
            _, logits = self._served(torch.as_tensor(np.require(images, requirements="W")).float() / 255)
            result: NDArray[np.float32] = logits.float().softmax(1).numpy()
        return result

    def top(self, prediction: Prediction, count: int = 5) -> list[dict[str, Any]]:
        """The most probable classes, best first: [{"class": name, "probability": p}, ...]."""
        best = np.argsort(-prediction.probabilities, kind="stable")[:count]
        return [{"class": self.class_names[k], "probability": float(prediction.probabilities[k])} for k in best]
