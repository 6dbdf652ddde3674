"""Predictor: a stranger's image to probabilities, with a trained run's model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from engine.analysis.certainty import Certainty, conformal_of
from engine.analysis.conformal import USUAL
from engine.analysis.labeled_features import labeled_features
from engine.config.run_config import RunConfig
from engine.errors import RunError
from engine.images.decode import read_image
from engine.images.figure import FigureStyle, FittedFigure
from engine.images.part import Part, part_of
from engine.images.preparation import Preparation
from engine.runs.folder import RunFolder
from engine.runs.stored_images import stored_images_of
from engine.training.assemble import figure_style
from engine.training.model_file import load_model

Neighbors = tuple[tuple[int, float], ...]
_NEIGHBORS = 4  # of an image, as the reason for an answer


class Prediction(NamedTuple):
    """probabilities: float [K], by class, calibrated where the model has a temperature. seen: uint8 [C, H, W], what the
    network was given. inverted: whether black and white were swapped. cropped: whether the figure was cut out of the
    image and drawn in the size of the set's own. neighbors: the labeled images that are nearest in the network's
    features, the nearest first, and how far they are by cosine; empty where the run kept none.
    """

    probabilities: NDArray[np.float32]
    seen: NDArray[np.uint8]
    inverted: bool
    cropped: bool = False
    neighbors: Neighbors = ()

    @property
    def nearest(self) -> int | None:
        return self.neighbors[0][0] if self.neighbors else None

    @property
    def distance(self) -> float | None:
        return self.neighbors[0][1] if self.neighbors else None


class Answers(NamedTuple):
    """Of N images: probabilities float32 [N, K], calibrated; neighbors int64 [N, n] and how far they are, float32
    [N, n], as in Prediction, None where the run kept no labeled image.
    """

    probabilities: NDArray[np.float32]
    neighbors: NDArray[np.int64] | None
    away: NDArray[np.float32] | None

    @property
    def distances(self) -> NDArray[np.float32] | None:
        """[N]: to the nearest labeled image."""
        return None if self.away is None else self.away[:, 0]


class Predictor:
    """The served network of a run; where the method learns no classes, the linear probe on its features answers.

    probe: what that probe is (`labels`, `protocol` ...), or None. temperature: by which logits are divided for the
    confidence to be right on average (fitted on validation), or None. certainty: when it is sure of an answer. labeled:
    the labeled images, to find the nearest one. preparation: how an image becomes the network's input.

    Raises RunError if the run has no model, a damaged or newer one, or one whose data had no label for a probe.
    """

    def __init__(self, folder: RunFolder) -> None:
        self.served, about = load_model(folder)
        self._stored = stored_images_of(folder)
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
        self.labeled = labeled_features(folder, about.get("step"))
        if self.labeled is not None and self.labeled.features.shape[1] != self._width():
            self.labeled = None  # of another network, as a run from elsewhere may bring it
        self.certainty = Certainty(conformal_of(folder), None if self.labeled is None else self.labeled.usual)

    def _width(self) -> int:
        """Of the features."""
        blank = np.zeros((1, self.channels, self.size, self.size), np.uint8)
        return int(self._outputs(blank)[0].shape[1])

    def read(self, data: bytes, name: str = "image") -> NDArray[np.uint8]:
        """The image in a file's bytes, uint8 [H, W, 1 or 3], decoded as the run's own were. Raises ImageError."""
        return self.preparation.read(data, name)

    def read_part(self, data: bytes, part: Part, name: str = "image") -> NDArray[np.uint8]:
        """A part of the image in a file's bytes, uint8 [H, W, 1 or 3], with all pixels that the file has of it: a small
        part of a large photo would lose most to a decoder that goes at once for the size of the network's input.
        Raises ImageError, also where the part is too small or lies outside.
        """
        return part_of(read_image(data, name), part, name)

    def predict(self, images: Sequence[NDArray[np.uint8]], as_it_is: bool = False) -> list[Prediction]:
        """images: decoded, uint8 [H, W, C] of any size, C 1 or 3. Brought to the data set's size and colors first, as
        its own images were. as_it_is: whole and with its own ground, even where the set holds figures that fill their
        frame.
        """
        return self.predict_fitted([self.preparation.fitted(image, as_it_is) for image in images])

    def predict_fitted(self, fitted: Sequence[FittedFigure]) -> list[Prediction]:
        """As `predict`, of images that `preparation` has fitted."""
        if not fitted:
            return []
        answers = self.answers(np.stack([f.pixels for f in fitted]))
        return [
            Prediction(probabilities, *image, neighbors)
            for image, (probabilities, neighbors) in zip(fitted, each(answers), strict=True)
        ]

    def answers(self, images: NDArray[np.uint8]) -> Answers:
        """uint8 [N, C, H, W] of the data set's own size."""
        features, logits = self._outputs(images)
        probabilities = (logits / (self.temperature or 1.0)).softmax(1).numpy()
        if self.labeled is None:
            return Answers(probabilities, None, None)
        return Answers(probabilities, *self.labeled.nearest(features.numpy(), _NEIGHBORS))

    def probabilities(self, images: NDArray[np.uint8], calibrated: bool = False) -> NDArray[np.float32]:
        """uint8 [N, C, H, W] of the data set's own size to float [N, K]: as the network has them, which is what a run's
        evaluations hold, or divided by the model's temperature.
        """
        temperature = (self.temperature if calibrated else None) or 1.0
        result: NDArray[np.float32] = (self._outputs(images)[1] / temperature).softmax(1).numpy()
        return result

    def _outputs(self, images: NDArray[np.uint8]) -> tuple[torch.Tensor, torch.Tensor]:
        """Features [N, D] and logits [N, K], float32."""
        with torch.inference_mode():
            # A part of a memory-mapped set is read-only, about which torch warns: a copy of that is no loss.
            features, logits = self.served(torch.as_tensor(np.require(images, requirements="W")).float() / 255)
            return features.float(), logits.float()

    def name_of(self, sample: int) -> str:
        """The file that one of the run's own images came from, or its number."""
        name = None if self._stored is None else self._stored.file_name(sample)
        return name or f"image {sample}"

    def said(self, prediction: Prediction, coverage: float = USUAL) -> dict[str, Any]:
        """A prediction for programs: `top`, whether it is `sure`, the `possible` classes at this coverage, the
        `nearest` labeled image with its `distance`, and whether the image is `unfamiliar`; None for what is not known.
        """
        decision = self.certainty.decide(prediction.probabilities, prediction.distance, coverage)
        possible = decision.possible
        return {
            "top": self.top(prediction),
            "sure": decision.sure,
            "possible": None if possible is None else [self.class_names[k] for k in possible],
            "nearest": None if prediction.nearest is None else self.name_of(prediction.nearest),
            "distance": prediction.distance,
            "unfamiliar": decision.unfamiliar,
        }

    def top(self, prediction: Prediction, count: int = 5) -> list[dict[str, Any]]:
        """The most probable classes, best first: [{"class": name, "probability": p}, ...]."""
        best = np.argsort(-prediction.probabilities, kind="stable")[:count]
        return [{"class": self.class_names[k], "probability": float(prediction.probabilities[k])} for k in best]


def each(answers: Answers) -> Iterator[tuple[NDArray[np.float32], Neighbors]]:
    """Image by image: probabilities [K], and the nearest labeled images with their distances."""
    if answers.neighbors is None or answers.away is None:
        yield from zip(answers.probabilities, repeat(()), strict=False)
        return
    for probabilities, ids, distances in zip(answers.probabilities, answers.neighbors, answers.away, strict=True):
        yield probabilities, tuple(zip(ids.tolist(), distances.tolist(), strict=True))


def _figures(about: dict[str, Any]) -> FigureStyle | None:
    if "figures" not in about:  # written before models said so
        return figure_style(RunConfig.parse(about["config"]))
    return None if about["figures"] is None else FigureStyle(**about["figures"])
