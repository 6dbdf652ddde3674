"""A config to its parts: images, split, method. Prediction uses the same function as training, so both build the same
network.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from engine.backbones.backbone import Backbone
from engine.config.run_config import RunConfig
from engine.data.image_set import Cancelled, DataSource, ImageSet, Progress
from engine.data.importing.import_report import Report
from engine.data.split import Split, make_split
from engine.derived_seed import derive
from engine.methods.base.context import Problem
from engine.methods.base.method import Method
from engine.registry import backbones, datasets, methods
from engine.training.initial_weights import start_from


def load_images(config: RunConfig) -> ImageSet:
    images: ImageSet = datasets[config.data.name](config.data).load()
    return images


def prepare(config: RunConfig, progress: Progress | None = None, cancelled: Cancelled | None = None) -> Report | None:
    """Download and import the images if that was not done before; the report of an import. Raises DataError, or
    ImportCancelled.
    """
    source: DataSource = datasets[config.data.name](config.data)
    return None if source.ready() else source.prepare(progress, cancelled)


def check(config: RunConfig, checkpoints: Path) -> None:
    """Refuse, before anything is written, what only the data can refuse: a label budget it cannot fill, images too
    small for the network, weights to start from that do not fit.

    Raises ConfigError.
    """
    images = load_images(config)
    method = make_method(config, make_problem(config, images, make_split(images, config.data)))
    start_from(method.backbone, config.backbone, checkpoints)


def make_problem(config: RunConfig, images: ImageSet, split: Split) -> Problem:
    counts = {"labeled": len(split.labeled), "unlabeled": len(split.pool), "all": len(split.pool)}
    candidates = None if split.candidates is None else torch.as_tensor(split.candidates)
    return Problem(images.classes, images.channels, images.size, counts, config.budget.batch_size, candidates)


def make_method(config: RunConfig, problem: Problem) -> Method:
    """The method with first weights drawn from the run's seed; the global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(derive(config.seed, "weights"))
        backbone: Backbone = backbones[config.backbone.name](config.backbone, problem.channels, problem.size)
        method: Method = methods[config.method.name](config.method, backbone, problem)
    return method


def set_normalization(backbone: Backbone, images: ImageSet) -> None:
    """Mean and standard deviation per channel over all training images, labeled or not; test images are not looked
    at.
    """
    levels = np.arange(256) / 255
    for c, histogram in enumerate(images.histogram):
        mean = (histogram * levels).sum() / histogram.sum()
        spread = ((histogram * (levels - mean) ** 2).sum() / histogram.sum()) ** 0.5
        backbone.mean[c] = float(mean)
        backbone.std[c] = max(float(spread), 1e-3)


def border_brightness(images: ImageSet) -> float:
    """Mean brightness, 0 to 1, of the outermost pixels: tells white on black from black on white when a stranger's
    image comes.
    """
    sample = images.images[:: max(1, len(images.images) // 1000)][
        :1000
    ]  # from all over the set: a folder's images stand class by class
    edge = np.concatenate([sample[:, :, [0, -1], :].ravel(), sample[:, :, :, [0, -1]].ravel()])
    return float(edge.mean() / 255)
