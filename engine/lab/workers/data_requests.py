"""Requests about a data set: whether it can be opened, reading it, what a run would learn from."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from engine.config.run_config import RunConfig
from engine.data.image_set import DataSource
from engine.data.split import make_split
from engine.registry import datasets
from engine.runs.atomic_write import write_json
from engine.runs.stored_images import store_images
from engine.training.assemble import load_images


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
    """What a run of this method would learn from: counts, the labeled ids and where their images are kept."""
    resolved = RunConfig.parse({"method": method, "data": data, "seed": seed})
    images = load_images(resolved)
    split = make_split(images, resolved.data)
    store_images(Path(checkpoints), images.content_hash, images.images, images.labels, images.ids, images.class_names)
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
