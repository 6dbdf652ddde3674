"""Requests about a data set: whether it can be opened, reading it, what a run would learn from."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from engine.config.run_config import RunConfig
from engine.data.image_set import DataSource
from engine.data.rare_classes import rare_classes
from engine.data.split import make_split
from engine.lab.messages import CountLabels, DataPreview, ImportImages, IsReady, LabelsGiven, PreviewData
from engine.registry import datasets
from engine.runs.atomic_write import write_json
from engine.runs.stored_images import store_images
from engine.training.assemble import load_images

_TELL_EVERY = 0.3  # seconds


def is_ready(request: IsReady) -> bool:
    """Raises DataError if its path is wrong."""
    return bool(_source(request.data).ready())


def count_labels(request: CountLabels) -> LabelsGiven:
    """Raises DataError."""
    images = _source(request.data).load()
    labeled = int((images.labels[images.is_training] >= 0).sum())
    return LabelsGiven(labeled, int(images.is_training.sum()) - labeled)


def import_images(request: ImportImages) -> dict[str, Any] | None:
    """Raises DataError, or ImportCancelled."""
    told, file = 0.0, Path(request.progress_file)

    def tell(done: int, total: int) -> None:
        nonlocal told
        if time.monotonic() - told > _TELL_EVERY:
            told = time.monotonic()
            write_json(file, {"done": done, "total": total})

    report = _source(request.data).prepare(tell, file.with_suffix(".cancel").exists)
    return report.plain() if report is not None else None


def preview_data(request: PreviewData) -> DataPreview:
    """Raises ConfigError or DataError."""
    config = RunConfig.parse({"method": request.method, "data": request.data, "seed": request.seed})
    images = load_images(config)
    split = make_split(images, config.data)
    root = Path(request.checkpoints)
    store_images(root, images.content_hash, images.images, images.labels, images.ids, images.class_names)
    every = max(1, len(split.labeled) // 1000)  # some from all classes: ids of a folder go class by class
    counts = {part: len(getattr(split, part)) for part in ("labeled", "unlabeled", "validation", "test")}
    return DataPreview(
        images.content_hash,
        list(images.class_names),
        split.labeled[::every].tolist(),
        counts,
        rare_classes(images, split, config.data.labels),
    )


def _source(data: dict[str, Any]) -> DataSource:
    made: DataSource = datasets[data["name"]](datasets[data["name"]].Params.model_validate(data))
    return made
