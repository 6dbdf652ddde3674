"""A run's model written to a folder with what is needed to use it, and refused if it would answer otherwise."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.config.run_config import RunConfig
from engine.errors import FewLabError, RunError
from engine.export.examples import write_examples
from engine.export.formats import FILES, Format, write
from engine.export.model_card import Measured, model_card
from engine.export.parity import Parity, compare
from engine.finite_json import finite_json
from engine.id_positions import positions_of
from engine.predictor import Predictor
from engine.runs.store import Run
from engine.training.assemble import load_images

_MOST_TEST, _MOST_OTHER = 2_000, 200  # images that are compared
VERSION = 1


class Exported(NamedTuple):
    """to: the folder. files: what was written there. parity: None where the run's images could not be read."""

    to: Path
    files: list[str]
    parity: Parity | None


def export(run: Run, format: Format, to: Path) -> Exported:
    """Write the model of a run to the folder `to`, which is made; what is there of an earlier export is replaced.

    Raises RunError if the run has no model, it cannot be written in this format, or what was written answers otherwise
    than the run: then nothing is left there.
    """
    predictor = Predictor(run.folder)
    about: dict[str, Any] = {
        "version": VERSION,
        "run": run.id,
        "class_names": predictor.class_names,
        "preparation": predictor.preparation.plain(),
        "input": "uint8 [batch, channels, size, size], prepared images",
        "output": "probabilities, float32 [batch, classes], the temperature inside; where the run kept labeled images"
        " also distance, float32 [batch], by cosine to the nearest of them",
        "temperature": predictor.temperature,
        **predictor.certainty.plain(),
        "accuracy": predictor.metrics.get("test/accuracy"),
    }
    try:
        to.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=to, prefix=".export-") as made:
            files, parity = _write_all(run, predictor, format, about, Path(made))
            for name in files:
                _replace(Path(made) / name, to / name)
    except OSError as error:
        raise RunError(f"The export could not be written to {to}: {error.strerror or type(error).__name__}.") from None
    return Exported(to, files, parity)


def _write_all(
    run: Run, predictor: Predictor, format: Format, about: dict[str, Any], to: Path
) -> tuple[list[str], Parity | None]:
    try:
        answers = write(format, run.folder, predictor, about, to / FILES[format])
    except (FewLabError, OSError):
        raise
    except Exception as error:  # an exporter may meet anything in a network that is not ours
        raise RunError(
            f"The network of run {run.id} cannot be written as {FILES[format]} ({type(error).__name__}): choose another"
            " format."
        ) from error
    images = _images_of(run)
    parity = None if images is None else compare(predictor, answers, images.compared)
    if parity is not None and not parity.holds:
        raise RunError(
            f"The exported model of run {run.id} does not answer as the run does: {parity.changed:,} of"
            f" {parity.images:,} answers change and a probability differs by {parity.largest:.1e}, a distance by"
            f" {parity.distance:.1e}, so nothing was written."
        )
    measured = None
    if images is not None:
        measured = Measured(predictor.probabilities(images.test, calibrated=True), images.labels)
    files = [FILES[format], "about.json", "config.json", "parity.json", "MODEL_CARD.md"]
    (to / "about.json").write_text(finite_json(about), "utf-8")
    (to / "config.json").write_text(json.dumps(run.config, indent=2), "utf-8")
    (to / "parity.json").write_text(finite_json(None if parity is None else parity._asdict()), "utf-8")
    if format == "onnx":
        files += write_examples(to)
    (to / "MODEL_CARD.md").write_text(model_card(run, predictor, measured, parity, _use(format, predictor)), "utf-8")
    return files, parity


class _Images(NamedTuple):
    """compared: by the run and the exported file. test, labels: those test images whose class is known."""

    compared: NDArray[np.uint8]
    test: NDArray[np.uint8]
    labels: NDArray[np.int64]


def _images_of(run: Run) -> _Images | None:
    """Of the run's own split; None where they are no longer there."""
    try:
        images = load_images(RunConfig.parse(run.config))
    except FewLabError:
        return None
    begun, split = run.folder.content_hash(), run.folder.split()
    if begun is not None and images.content_hash != begun:
        return None
    test = positions_of(split["test"][:_MOST_TEST], images.ids)
    pool = split["pool"]
    others = positions_of(pool[np.linspace(0, len(pool) - 1, min(_MOST_OTHER, len(pool))).astype(int)], images.ids)
    known = np.sort(test[images.labels[test] >= 0])
    return _Images(
        np.array(images.images[np.sort(np.concatenate([test, others]))]),
        np.array(images.images[known]),
        images.labels[known],
    )


def _use(format: Format, predictor: Predictor) -> str:
    if format == "onnx":
        figures = (
            ""
            if predictor.preparation.figures is None
            else " Nor does it look for the figure in an image, cut it out and draw it as the set does, as `predict.py`"
            " does: give it images that are drawn like the set's own."
        )
        return (
            "`model.onnx` takes images that are prepared already, as `about.json` says: resizing is not inside, because"
            " no operator of ONNX does it bit for bit as FewLab. `predict.py` prepares any image file with FewLab's own"
            " code, which lies beside it, and answers exactly as FewLab does. `predict.mjs` resizes with another"
            " filter: its answers may differ a little where an image is not of the model's size." + figures
        )
    if format == "torch":
        return (
            "`model.pt2` is read by `torch.export.load(...).module()` and takes prepared images, as `about.json` says."
        )
    return "`model.safetensors` holds the weights and what they are; FewLab reads it."


def _replace(made: Path, place: Path) -> None:
    if place.is_dir():
        shutil.rmtree(place)
    made.replace(place)
