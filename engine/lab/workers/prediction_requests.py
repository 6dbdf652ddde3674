"""Requests that a trained model answers."""

from __future__ import annotations

import base64
import io
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from engine.errors import ImageError
from engine.images.decode import read_image
from engine.predictor import Prediction, Predictor
from engine.runs.folder import RunFolder
from engine.runs.stored_images import load_stored_images


def predict(run: str, images: list[dict[str, str]]) -> dict[str, Any]:
    """images: [{"name": file name, "data": base64}]. Each gets its top five and what the model saw, or the sentence
    why not.
    """
    predictor = _predictor(run)
    answers: list[dict[str, Any]] = []
    for image in images:
        try:
            decoded = read_image(base64.b64decode(image["data"]), image["name"])
        except ImageError as error:
            answers.append({"name": image["name"], "error": str(error)})
            continue
        answers.append(
            {
                "name": image["name"],
                "error": None,
                "shown": _thumbnail(decoded),
                **_plain(predictor, predictor.predict([decoded])[0]),
            }
        )
    return {"class_names": predictor.class_names, "metrics": predictor.metrics, "pictures": answers}


def predict_samples(run: str, content_hash: str, count: int, seed: int) -> dict[str, Any]:
    """Predictions for random test images of the run's own data set, with their true labels."""
    folder = RunFolder(Path(run))
    predictor = _predictor(run)
    stored = load_stored_images(folder.path.parent, content_hash)
    ids = np.random.default_rng(seed).permutation(folder.split()["test"])[:count]
    rows = stored.rows(ids)
    images = np.asarray(stored.images[rows])
    answers = []
    for sample, image, label, p in zip(ids, images, stored.labels[rows], predictor.probabilities(images), strict=True):
        truth = stored.class_names[label] if label >= 0 else None
        answers.append(
            {
                "name": f"test image {sample}",
                "error": None,
                "truth": truth,
                **_plain(predictor, Prediction(p, image, False)),
            }
        )
    return {"class_names": predictor.class_names, "metrics": predictor.metrics, "pictures": answers}


def _predictor(run: str) -> Predictor:
    file = RunFolder(Path(run)).model_file
    return _loaded(run, file.stat().st_mtime_ns if file.exists() else 0)


@lru_cache(maxsize=4)
def _loaded(run: str, written: int) -> Predictor:
    # `written` is part of the key: a resumed run writes its model anew.
    return Predictor(RunFolder(Path(run)))


def _plain(predictor: Predictor, prediction: Prediction) -> dict[str, Any]:
    return {
        "top": predictor.top(prediction),
        "seen": _pixels(prediction.seen),
        "inverted": prediction.inverted,
        "probabilities": prediction.probabilities.tolist(),
    }


def _thumbnail(image: NDArray[np.uint8]) -> str:
    """A decoded image, [H, W, 1 or 3], as a small PNG in base64: browsers show neither 16-bit PNGs nor TIFFs."""
    small = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)
    small.thumbnail((224, 224))
    buffer = io.BytesIO()
    small.save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def _pixels(image: NDArray[np.uint8]) -> dict[str, Any]:
    return {"shape": list(image.shape), "data": base64.b64encode(image.tobytes()).decode()}
