"""Requests about a data set: whether it can be opened, reading it, what a run would learn from."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.config.run_config import RunConfig
from engine.data.image_set import Cancelled, DataSource, Progress
from engine.data.importing.cached_source import CachedSource
from engine.data.importing.feature_checks import check_features
from engine.data.importing.image_cache import kept_files, open_decoded
from engine.data.importing.image_checks import check_images
from engine.data.importing.label_export import labels_csv, labels_of
from engine.data.importing.preview import Preview
from engine.data.rare_classes import rare_classes
from engine.data.split import make_split
from engine.errors import DataError, ImportCancelled
from engine.lab.messages import (
    CheckedImages,
    CheckImages,
    ComputeFeatures,
    CountLabels,
    DataPreview,
    FeatureFile,
    ImportImages,
    IsReady,
    LabelsGiven,
    PreviewData,
    PreviewFiles,
    Readiness,
)
from engine.lab.prediction_messages import MakeViews
from engine.methods.base.method import GradientMethod
from engine.registry import datasets, recipes
from engine.runs.atomic_write import write_json
from engine.runs.folder import RunFolder
from engine.runs.stored_images import store_images
from engine.training.assemble import load_images, make_method, make_task
from engine.training.evaluation.pretrained_features import feature_file

_TELL_EVERY = 0.3  # seconds


def is_ready(request: IsReady) -> Readiness:
    """Raises DataError if its path is wrong."""
    source = _source(request.data)
    if not isinstance(source, CachedSource):
        return Readiness(source.ready(), "")
    key = source.ready_key()
    return Readiness(bool(key), key)


def count_labels(request: CountLabels) -> LabelsGiven:
    """Raises DataError."""
    images = _source(request.data).load()
    labeled = int((images.labels[images.is_training] >= 0).sum())
    return LabelsGiven(labeled, int(images.is_training.sum()) - labeled)


def import_images(request: ImportImages) -> dict[str, Any] | None:
    """Raises DataError, or ImportCancelled."""
    tell, cancelled = progress_through(Path(request.progress_file))
    report = _source(request.data).prepare(tell, cancelled)
    return report.plain() if report is not None else None


def progress_through(file: Path) -> tuple[Progress, Cancelled]:
    """What writes progress into a file now and then, and what looks for its cancel file."""
    told = 0.0

    def tell(done: int, total: int) -> None:
        nonlocal told
        if time.monotonic() - told > _TELL_EVERY:
            told = time.monotonic()
            write_json(file, {"done": done, "total": total})

    return tell, file.with_suffix(".cancel").exists


def compute_features(request: ComputeFeatures) -> FeatureFile:
    """Raises ConfigError or DataError, and ImportCancelled where somebody wants no more: what is there is kept."""
    source = _source(request.data)
    assert isinstance(source, CachedSource)  # nothing else has a key
    decoded = open_decoded(request.key, source.symmetries)
    if decoded is None:
        raise DataError("These images were removed from the cache: read them again.")
    tell, cancelled = progress_through(Path(request.progress_file))

    def told(done: int, total: int) -> None:
        tell(done, total)
        if cancelled():
            raise ImportCancelled(f"The features of {done:,} of {total:,} images are there: the rest can follow later.")

    path = feature_file(decoded.images, request.backbone, Path(request.checkpoints), told)
    return FeatureFile(str(path), len(decoded.images.ids))


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
    found = check_images(images, files)
    if request.features:
        found += check_features(images, np.load(request.features, mmap_mode="r", allow_pickle=False))
    issues = [issue.plain() for issue in found]
    return CheckedImages(issues, labels_csv(labels_of(images)), bool(request.features))


def preview_data(request: PreviewData) -> DataPreview:
    """Raises ConfigError or DataError."""
    config = RunConfig.parse({"method": request.method, "data": request.data, "seed": request.seed})
    images = load_images(config)
    # Which candidates the images get is no matter here, and another run may have to be asked for them.
    split = make_split(images, config.data, lambda pool, chance: np.ones((len(pool), images.classes), bool))
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


def make_views(request: MakeViews) -> dict[str, NDArray[np.uint8]]:
    """Raises ConfigError or DataError."""
    config = RunConfig.parse(RunFolder(Path(request.run)).config())
    source: DataSource = datasets[config.data.name](config.data)
    if not source.ready():
        raise DataError("The images of this run are not on this machine: start a run on them to bring them back.")
    images = source.load()
    split = make_split(images, config.data, lambda pool, chance: np.ones((len(pool), images.classes), bool))
    # Which views there are, and how large, says the method; with what weights it begins is no matter.
    method = make_method(config.with_changes({"backbone.init": "random"}), make_task(config, images, split))
    if not isinstance(method, GradientMethod):
        return {}
    image = np.frombuffer(request.pixels, np.uint8).reshape(request.shape)
    batch = torch.from_numpy(np.repeat(image[None], request.count, 0))
    made = {}
    for view in dict.fromkeys(view for stream in method.streams().values() for view in stream.views.values()):
        params = config.augment[view.augment]
        recipe = recipes[params.name](params, images.symmetries, images.channels, view.size)
        views: Tensor = recipe(batch, torch.Generator().manual_seed(request.seed))
        made[view.augment] = (views * 255).round().byte().numpy()
    return made


def _source(data: dict[str, Any]) -> DataSource:
    made: DataSource = datasets[data["name"]](datasets[data["name"]].Params.model_validate(data))
    return made
