"""Every method on every family of images, exported: what onnxruntime answers against what the app answers.

    python -m benchmarks.exported_models --data FOLDER [--methods fixmatch ...] [--json]

FOLDER holds trashnet256.zip and quickdraw5.zip. A run of twelve steps each, then its ONNX file on 200 of the set's
images. How a file is read is not compared: tests/integration/test_export.py does that.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from engine.config.run_config import RunConfig
from engine.export.export_run import export
from engine.lab.executors.inline import train
from engine.predictor import Predictor
from engine.registry import methods
from engine.runs.store import Run
from engine.training.assemble import load_images

IMAGES = 200
_OF_A_CLASS = 45


class Difference(NamedTuple):
    """Of the largest probability or distance, over so many images; changed: other answers, in any order of equals."""

    images: int
    largest: float
    changed: int


def families(data: Path, folder: Path) -> dict[str, dict[str, Any]]:
    """Settings of the data by family; the images that they name are unpacked into `folder`."""
    return {
        "digits, 8 px": {"name": "digits"},
        "photos, 24 px": {
            "name": "folder",
            "path": str(_some(data / "trashnet256.zip", folder / "photos")),
            "size": 24,
        },
        "drawings, 28 px": {
            "name": "folder",
            "path": str(_some(data / "quickdraw5.zip", folder / "drawings")),
            "size": 28,
        },
    }


def _some(archive: Path, folder: Path) -> Path:
    """The first images of each class of an archive."""
    taken: dict[str, int] = {}
    with zipfile.ZipFile(archive) as packed:
        for name in sorted(packed.namelist()):
            kind = name.split("/")[-2] if "/" in name else ""
            if kind and not name.endswith("/") and taken.setdefault(kind, 0) < _OF_A_CLASS:
                taken[kind] += 1
                (folder / kind).mkdir(parents=True, exist_ok=True)
                (folder / kind / name.split("/")[-1]).write_bytes(packed.read(name))
    return folder


def run_of(method: str, data: dict[str, Any], root: Path) -> Run:
    """A short run."""
    cls = methods[method]
    kind = {"kind": "few", "per_class": 2} if "few" in cls.supervision else {"kind": sorted(cls.supervision)[0]}
    plain: dict[str, Any] = {
        "method": {"name": method},
        "data": {**data, "labels": kind},
        "budget": {"steps": 12, "batch_size": 6, "evaluate_every": 12},
        "hardware": {"device": "cpu", "threads": 1},
    }
    fitting = sorted(cls.backbones if cls.backbones is not None else ["small_cnn"])
    if fitting:
        plain["backbone"] = {"name": fitting[0]}
    return train(RunConfig.parse(plain), root)


def difference(run: Run, to: Path) -> Difference:
    """Of the run's own images between the app and the file exported to `to`."""
    export(run, "onnx", to)
    session = onnxruntime.InferenceSession(to / "model.onnx", providers=["CPUExecutionProvider"])
    predictor = Predictor(run.folder)
    images = np.array(load_images(RunConfig.parse(run.config)).images)
    spread = np.linspace(0, len(images) - 1, min(IMAGES, len(images))).astype(int)
    images = images[spread]
    outside: list[NDArray[np.float32]] = session.run(None, {"images": images})
    inside = predictor.answers(images)
    largest = float(np.abs(outside[0] - inside.probabilities).max())
    if inside.distances is not None:
        largest = max(largest, float(np.abs(outside[1] - inside.distances).max()))
    theirs, ours = outside[0].argmax(1), inside.probabilities.argmax(1)
    rows = np.arange(len(images))
    # Two classes that the app itself finds equally likely have no order that could change.
    changed = inside.probabilities[rows, ours] - inside.probabilities[rows, theirs] > 1e-4
    return Difference(len(images), largest, int(changed.sum()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--methods", nargs="*", default=list(methods))
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    rows: list[dict[str, Any]] = []
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        for family, data in families(given.data, Path(folder)).items():
            for method in given.methods:
                run = run_of(method, data, Path(folder) / "runs")
                one = difference(run, Path(folder) / "exported" / run.id)
                rows.append({"method": method, "family": family, **one._asdict()})
                if not given.json:
                    said = f"{one.images} images {one.largest:.1e}, {one.changed} changed"
                    print(f"{family:16} {method:22} {said}", flush=True)
    largest = max(row["largest"] for row in rows)
    images, changed = (sum(row[key] for row in rows) for key in ("images", "changed"))
    if given.json:
        print(json.dumps({"rows": rows, "largest": largest, "images": images, "changed": changed}))
    else:
        seconds = time.perf_counter() - began
        print(f"{len(rows)} exports, {images:,} answers, {changed} changed, largest {largest:.1e}, {seconds:.0f} s")


if __name__ == "__main__":
    main()
