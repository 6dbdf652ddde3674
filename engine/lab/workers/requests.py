"""What the engine's process answers to the server: the questions that need torch."""

from __future__ import annotations

import base64
import io
import tempfile
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from engine import catalog as catalogs
from engine.config.run_config import RunConfig
from engine.data.image_set import DataSource
from engine.data.split import make_split
from engine.errors import ConfigError, PictureError
from engine.images.decode import read_picture
from engine.predictor import Prediction, Predictor
from engine.registry import datasets
from engine.runs.atomic_write import write_json
from engine.runs.folder import RunFolder
from engine.runs.store import Store
from engine.runs.stored_images import load_pictures, save_pictures
from engine.training import assemble as build
from engine.training.assemble import load_images
from engine.training.trainer import Trainer


def warm_up() -> None:
    """Train a few throwaway steps, so that the first real one does not pay for loading libraries and preparing
    convolutions.
    """
    measure(
        RunConfig.parse({"method": {"name": "fixmatch"}, "data": {"name": "digits"}}).model_dump(mode="json"),
        seconds=0.0,
    )


def catalog() -> dict[str, Any]:
    return catalogs.catalog()


def check(config: dict[str, Any], checkpoints: str) -> dict[str, Any]:
    """The config resolved; what the data or the weights to start from cannot do is refused too. Raises ConfigError."""
    resolved = RunConfig.parse(config)
    if not ready(resolved.data.model_dump(mode="json")):  # reading them can take minutes, and this answer is waited for
        raise ConfigError('These pictures have not been read on this machine yet: press "Read the pictures" first.')
    build.check(resolved, Path(checkpoints))
    return resolved.model_dump(mode="json")


def ready(data: dict[str, Any]) -> bool:
    """Whether a data set can be opened at once. Raises DataError if its path is wrong."""
    return bool(_source(data).ready())


def prepare(data: dict[str, Any], place: str) -> dict[str, Any] | None:
    """Read a data set into the cache; what was read. How far it is stands in the file `place`; a file `.cancel` beside
    it ends it.
    """
    told, file = 0.0, Path(place)

    def tell(done: int, total: int) -> None:
        nonlocal told
        if time.monotonic() - told > 0.3:
            told = time.monotonic()
            write_json(file, {"done": done, "total": total})

    report = _source(data).prepare(tell, file.with_suffix(".cancel").exists)
    return report.plain() if report is not None else None


def _source(data: dict[str, Any]) -> DataSource:
    made: DataSource = datasets[data["name"]](datasets[data["name"]].Params.model_validate(data))
    return made


def preview(method: str, data: dict[str, Any], seed: int, checkpoints: str) -> dict[str, Any]:
    """What a run of this method would learn from: counts, the labeled ids and where their pictures are kept."""
    resolved = RunConfig.parse({"method": method, "data": data, "seed": seed})
    images = load_images(resolved)
    split = make_split(images, resolved.data)
    save_pictures(Path(checkpoints), images.content_hash, images.images, images.labels, images.ids, images.class_names)
    return {
        "pictures": images.content_hash,
        "class_names": list(images.class_names),
        "labeled": (
            split.labeled[:: max(1, len(split.labeled) // 1000)].tolist()
        ),  # from all classes: ids of a folder go class by class
        "counts": {
            "labeled": len(split.labeled),
            "unlabeled": len(split.unlabeled),
            "validation": len(split.validation),
            "test": len(split.test),
        },
    }


def measure(config: dict[str, Any], seconds: float = 0.7) -> dict[str, float]:
    """Seconds for set-up, one step and one evaluation, from really doing them in a throwaway folder."""
    with tempfile.TemporaryDirectory(prefix="fewlab-") as root:
        # What the weights start from changes no step's time, and the earlier run is in another folder.
        plain = RunConfig.parse(config).with_changes({"backbone.init": "random"}).model_dump(mode="json")
        return Trainer(Store(root).create(plain)).measure(seconds)


def predict(run: str, pictures: list[dict[str, str]]) -> dict[str, Any]:
    """pictures: [{"name": file name, "data": base64}]. Each gets its top five and what the model saw, or the sentence
    why not.
    """
    predictor = _predictor(run)
    answers: list[dict[str, Any]] = []
    for picture in pictures:
        try:
            decoded = read_picture(base64.b64decode(picture["data"]), picture["name"])
        except PictureError as error:
            answers.append({"name": picture["name"], "error": str(error)})
            continue
        answers.append(
            {
                "name": picture["name"],
                "error": None,
                "shown": _thumbnail(decoded),
                **_plain(predictor, predictor.predict([decoded])[0]),
            }
        )
    return {"class_names": predictor.class_names, "metrics": predictor.metrics, "pictures": answers}


def predict_samples(run: str, pictures: str, count: int, seed: int) -> dict[str, Any]:
    """Predictions for random test pictures of the run's own data set, with their true labels."""
    folder = RunFolder(Path(run))
    predictor = _predictor(run)
    kept = load_pictures(folder.path.parent, pictures)
    ids = np.random.default_rng(seed).permutation(folder.split()["test"])[:count]
    rows = kept.rows(ids)
    images = np.asarray(kept.images[rows])
    answers = []
    for sample, image, label, p in zip(ids, images, kept.labels[rows], predictor.probabilities(images), strict=True):
        truth = kept.class_names[label] if label >= 0 else None
        answers.append(
            {
                "name": f"test picture {sample}",
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


def _thumbnail(picture: NDArray[np.uint8]) -> str:
    """A decoded picture, [H, W, 1 or 3], as a small PNG in base64: browsers show neither 16-bit PNGs nor TIFFs."""
    small = Image.fromarray(picture[:, :, 0] if picture.shape[2] == 1 else picture)
    small.thumbnail((224, 224))
    buffer = io.BytesIO()
    small.save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def _pixels(image: NDArray[np.uint8]) -> dict[str, Any]:
    return {"shape": list(image.shape), "data": base64.b64encode(image.tobytes()).decode()}


SLOW = {"prepare", "measure"}  # can take minutes; each is answered in a thread of its own

QUESTIONS: dict[str, Callable[..., Any]] = {
    "catalog": catalog,
    "check": check,
    "ready": ready,
    "prepare": prepare,
    "preview": preview,
    "measure": measure,
    "predict": predict,
    "predict_samples": predict_samples,
}
