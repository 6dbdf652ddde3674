"""Features of a set of images by a network that is not trained further, for whoever looks at images without a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from engine.backbones.backbone import Backbone
from engine.config.parts import Hardware
from engine.data.image_set import ImageSet
from engine.registry import backbones
from engine.training.assemble import set_normalization
from engine.training.evaluation.feature_cache import FeatureCache, Told
from engine.training.hardware import resolve
from engine.training.initial_weights import start_from


def feature_file(images: ImageSet, backbone: dict[str, Any], checkpoints: Path, told: Told) -> Path:
    """The file with features float32 [N, D] of all images; those that are missing are computed first.

    backbone: the config's part. checkpoints: the folder of runs, one of which it may start from. told: may raise to
    stop; what is there is kept. Raises ConfigError or DataError.
    """
    network = backbones[backbone["name"]]
    params = network.Params.parse(backbone)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        made: Backbone = network(params, images.channels, images.size)
    set_normalization(made, images)
    start_from(made, params, checkpoints)
    machine = resolve(Hardware())
    machine.apply()
    return FeatureCache(images, made, machine).fill(told)
