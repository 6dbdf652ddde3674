"""Predictor: a stranger's image to probabilities, with a trained run's model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from engine.config.run_config import RunConfig
from engine.errors import RunError
from engine.images.figure import FigureStyle
from engine.images.preparation import Preparation
from engine.runs.folder import RunFolder
from engine.training.assemble import figure_style
from engine.training.model_file import load_model


class Prediction(NamedTuple):
    """probabilities: float [K], by class, calibrated where the model has a temperature. seen: uint8 [C, H, W], what the
    network was given. inverted: whether black and white were swapped. cropped: whether the figure was cut out of the
    image and drawn in the size of the set's own.
    """

    probabilities: NDArray[np.float32]
    seen: NDArray[np.uint8]
    inverted: bool
    cropped: bool = False


class Predictor:
    """The served network of a run; where the method learns no classes, the linear probe on its features answers.

    probe: what that probe is (`labels`, `protocol` ...), or None. temperature: by which logits are divided for the
    confidence to be right on average (fitted on validation), or None. preparation: how an image becomes the network's
    input. Raises RunError if the run has no model, a damaged or newer one, or one whose data had no label for a
    probe.
    """

    def __init__(self, folder: RunFolder) -> None:
        self.served, about = load_model(folder)
        self.class_names: list[str] = about["class_names"]
        self.channels: int = about["problem"]["channels"]
        self.size: int = about["problem"]["size"]
        data = about["config"]["data"]
        self.preparation = Preparation(
            self.size, self.channels, data.get("fit", "pad"), data.get("color", "auto"), _figures(about)
        )
        self.metrics: dict[str, float] = about["metrics"]
        self.temperature: float | None = about.get("temperature")
        self.probe: dict[str, Any] | None = about.get("probe")
        if self.probe is not None and not self.probe.get("labels"):
            raise RunError(
                f"Run {folder.id} learned features and no classes, and its images have no labels for a probe: give"
                " some of them a label and start it again."
            )

    def read(self, data: bytes, name: str = "image") -> NDArray[np.uint8]:
        """The image in a file's bytes, uint8 [H, W, 1 or 3], decoded as the run's own were. Raises ImageError."""
        return self.preparation.read(data, name)

    def predict(self, images: Sequence[NDArray[np.uint8]], as_it_is: bool = False) -> list[Prediction]:
        """images: decoded, uint8 [H, W, C] of any size, C 1 or 3. Brought to the data set's size and colors first, as
        its own images were. as_it_is: whole and with its own ground, even where the set holds figures that fill their
        frame.
        """
        fitted = [self.preparation.fitted(image, as_it_is) for image in images]
        if not fitted:
            return []
        probabilities = self.probabilities(np.stack([f.pixels for f in fitted]), calibrated=True)
        return [Prediction(p, *f) for p, f in zip(probabilities, fitted, strict=True)]

    def probabilities(self, images: NDArray[np.uint8], calibrated: bool = False) -> NDArray[np.float32]:
        """uint8 [N, C, H, W] of the data set's own size to float [N, K]: as the network has them, which is what a run's
        evaluations hold, or divided by the model's temperature.
        """
        temperature = (self.temperature if calibrated else None) or 1.0
        with torch.inference_mode():
            # A part of a memory-mapped set is read-only, about which torch warns: a copy of that is no loss.
            _, logits = self.served(torch.as_tensor(np.require(images, requirements="W")).float() / 255)
            result: NDArray[np.float32] = (logits.float() / temperature).softmax(1).numpy()
        return result

    def top(self, prediction: Prediction, count: int = 5) -> list[dict[str, Any]]:
        """The most probable classes, best first: [{"class": name, "probability": p}, ...]."""
        best = np.argsort(-prediction.probabilities, kind="stable")[:count]
        return [{"class": self.class_names[k], "probability": float(prediction.probabilities[k])} for k in best]


def _figures(about: dict[str, Any]) -> FigureStyle | None:
    if "figures" not in about:  # written before models said so
        return figure_style(RunConfig.parse(about["config"]))
    return None if about["figures"] is None else FigureStyle(**about["figures"])
