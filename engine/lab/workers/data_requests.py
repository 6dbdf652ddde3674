"""Requests about a data set: whether it can be opened, reading it, what a run would learn from."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from engine.config.run_config import RunConfig
from engine.data.image_set import DataSource
from engine.data.importing.cached_source import CachedSource
from engine.data.importing.image_cache import kept_files
from engine.data.importing.image_checks import check_images
from engine.data.importing.label_export import labels_csv, labels_of
from engine.data.importing.preview import Preview
from engine.data.split import make_split
from engine.errors import DataError
from engine.lab.messages import (
    CheckedImages,
    CheckImages,
    DataPreview,
    ImportImages,
    IsReady,
    PreviewData,
    PreviewFiles,
)
from engine.registry import datasets
from engine.runs.atomic_write import write_json
from engine.runs.stored_images import store_images
from engine.training.assemble import load_images

_TELL_EVERY = 0.3  # seconds


def is_ready(request: IsReady) -> bool:
    """Raises DataError if its path is wrong."""
    return bool(_source(request.data).ready())


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


def preview_files(request: PreviewFiles) -> Preview:
    """Raises DataError where nothing can be understood."""
    preview = _source(request.data).preview(request.thumbnails)
    if preview is None:
        raise DataError("This data set is made of no files of yours: choose your own images.")
    return preview


def check_imported(request: CheckImages) -> CheckedImages:
    """Raises DataError where the images are in the cache no more."""
    source = _source(request.data)
    files = kept_files(source.key()) if isinstance(source, CachedSource) else None
    if files is None:
        raise DataError("These images have not been read on this machine yet: import them first.")
    images = source.load()
    issues = [issue.plain() for issue in check_images(images, files)]
    return CheckedImages(issues, labels_csv(labels_of(images)))


def preview_data(request: PreviewData) -> DataPreview:
    """Raises ConfigError or DataError."""
    config = RunConfig.parse({"method": request.method, "data": request.data, "seed": request.seed})
    images = load_images(config)
    split = make_split(images, config.data)
    root = Path(request.checkpoints)
    store_images(
        root,
        images.content_hash,
        images.images,
        images.labels,
        images.ids,
        images.class_names,
        images.file_names or None,
    )
    every = max(1, len(split.labeled) // 1000)  # some from all classes: ids of a folder go class by class
    counts = {part: len(getattr(split, part)) for part in ("labeled", "unlabeled", "validation", "test")}
    return DataPreview(images.content_hash, list(images.class_names), split.labeled[::every].tolist(), counts)


def _source(data: dict[str, Any]) -> DataSource:
    made: DataSource = datasets[data["name"]](datasets[data["name"]].Params.model_validate(data))
    return made
