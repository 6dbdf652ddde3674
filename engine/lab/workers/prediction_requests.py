"""Requests that a trained model answers."""

from __future__ import annotations

import base64
import io
from functools import lru_cache
from itertools import zip_longest
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from engine.allowed_folders import check_allowed
from engine.analysis.occlusion import occlusion
from engine.errors import ImageError, ImportCancelled
from engine.folder_prediction import predict_folder, read_named
from engine.images.decode import Pixels, read_image
from engine.images.part import Part
from engine.lab.messages import FolderPredicted, PredictFolder
from engine.lab.prediction_messages import (
    Explain,
    ImagePrediction,
    Predict,
    Predictions,
    PredictNamed,
    PredictSamples,
    ShowImage,
    ShownImage,
)
from engine.lab.workers.data_requests import progress_through
from engine.predictor import Prediction, Predictor, each
from engine.runs.folder import RunFolder
from engine.runs.stored_images import load_stored_images

_THUMBNAIL = (224, 224)  # pixels, at most
_SHOWN = (1024, 1024)  # the same where a part is marked
_EXACT = 64  # pixels a side up to which an image is shown exactly


def predict(request: Predict) -> Predictions:
    """An image that cannot be read has its sentence in place of an answer. Raises RunError if the run has no model."""
    predictor = _predictor(request.run)
    images = [
        _read_and_answer(predictor, name, content, part, request.as_it_is)
        for (name, content), part in zip_longest(request.files, request.parts)
    ]
    return _answers(predictor, images)


def predict_named(request: PredictNamed) -> Predictions:
    """As predict. Raises RunError, ConfigError for a place that is not open to others, or DataError."""
    check_allowed(request.path, "The folder")
    predictor = _predictor(request.run)
    contents = read_named(Path(request.path).expanduser(), request.files)
    images = [
        ImagePrediction(name, error=content)
        if isinstance(content, str)
        else _read_and_answer(predictor, name, content, None, as_it_is=False)
        for name, content in zip(request.files, contents, strict=True)
    ]
    return _answers(predictor, images)


def _read_and_answer(
    predictor: Predictor, name: str, content: bytes, part: Part | None, as_it_is: bool
) -> ImagePrediction:
    try:
        decoded = predictor.read(content, name) if part is None else predictor.read_part(content, part, name)
    except ImageError as error:
        return ImagePrediction(name, error=str(error))
    (prediction,) = predictor.predict([decoded], as_it_is)
    is_large = part is not None or max(decoded.shape) >= max(_THUMBNAIL)
    large = decoded if is_large else read_image(content, smallest=max(_THUMBNAIL))
    return _answer(predictor, prediction, name, thumbnail=_small(large, _THUMBNAIL, "PNG"))


def show_image(request: ShowImage) -> ShownImage:
    """Raises ImageError."""
    pixels = read_image(request.content, request.file)
    height, width = pixels.shape[:2]
    is_small = max(height, width) <= _EXACT
    shown = _small(pixels, _SHOWN, "PNG") if is_small else _small(pixels, _SHOWN, "JPEG", quality=90)
    kind = "png" if is_small else "jpeg"
    return ShownImage(width, height, f"data:image/{kind};base64,{base64.b64encode(shown).decode('ascii')}")


def predict_samples(request: PredictSamples) -> Predictions:
    """Raises RunError if the run has no model or its images are gone."""
    folder, predictor = RunFolder(Path(request.run)), _predictor(request.run)
    stored = load_stored_images(folder.path.parent, request.content_hash)
    ids = np.random.default_rng(request.seed).permutation(folder.split()["test"])[: request.count]
    rows = stored.rows(ids)
    pixels = np.asarray(stored.images[rows])
    images = []
    answers = each(predictor.answers(pixels))
    for sample, image, label, (p, neighbors) in zip(ids, pixels, stored.labels[rows], answers, strict=True):
        truth = stored.class_names[label] if label >= 0 else None
        prediction = Prediction(p, image, False, False, neighbors)
        images.append(_answer(predictor, prediction, f"test image {sample}", truth=truth))
    return _answers(predictor, images)


def explain(request: Explain) -> NDArray[np.float32]:
    """Raises RunError if the run has no model."""
    image = np.frombuffer(request.pixels, np.uint8).reshape(request.shape)
    return occlusion(_predictor(request.run).probabilities, image)


def predict_all(request: PredictFolder) -> FolderPredicted:
    """Raises RunError, ConfigError for a place that is not open to others, DataError, or ImportCancelled where somebody
    wants no more.
    """
    for place in filter(None, (request.path, request.sort_into)):
        check_allowed(place, "The folder")
    tell, cancelled = progress_through(Path(request.progress_file))

    def told(done: int, total: int) -> None:
        tell(done, total)
        if cancelled():
            raise ImportCancelled(f"{done:,} of {total:,} images are classified: the others can follow later.")

    sort_into = Path(request.sort_into).expanduser() if request.sort_into else None
    images, table = Path(request.path).expanduser(), Path(request.table)
    table.parent.mkdir(parents=True, exist_ok=True)
    return FolderPredicted(*predict_folder(_predictor(request.run), images, table, sort_into, told, request.coverage))


def _predictor(run: str) -> Predictor:
    file = RunFolder(Path(run)).model_file
    return _loaded(run, file.stat().st_mtime_ns if file.exists() else 0)


@lru_cache(maxsize=4)
def _loaded(run: str, written: int) -> Predictor:
    # `written` is part of the key: a resumed run writes its model anew.
    return Predictor(RunFolder(Path(run)))


def _answers(predictor: Predictor, images: list[ImagePrediction]) -> Predictions:
    fits_figures = predictor.preparation.figures is not None
    return Predictions(
        predictor.class_names, predictor.metrics, images, predictor.temperature, fits_figures, predictor.certainty
    )


def _answer(
    predictor: Predictor,
    prediction: Prediction,
    name: str,
    truth: str | None = None,
    thumbnail: bytes | None = None,
) -> ImagePrediction:
    return ImagePrediction(
        name,
        seen=prediction.seen,
        inverted=prediction.inverted,
        cropped=prediction.cropped,
        probabilities=tuple(prediction.probabilities.tolist()),
        top=tuple((one["class"], one["probability"]) for one in predictor.top(prediction)),
        truth=truth,
        thumbnail=thumbnail,
        neighbors=prediction.neighbors,
        nearest_name="" if prediction.nearest is None else predictor.name_of(prediction.nearest),
        distance=prediction.distance,
    )


def _small(pixels: Pixels, most: tuple[int, int], format: str, **options: int) -> bytes:
    """uint8 [H, W, 1 or 3], at most so large, as a file that browsers show: they read neither 16-bit PNGs nor TIFFs."""
    small = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    small.thumbnail(most)
    buffer = io.BytesIO()
    small.save(buffer, format, **options)
    return buffer.getvalue()
