"""Candidate sets that an earlier run makes: the labels which its network finds likely, the hard case for methods that
identify the true one.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from engine.config.parts import PartialLabels
from engine.data.candidate_labels import Candidates, drawn_candidates, instance_inclusion
from engine.data.image_set import ImageSet
from engine.data.split import SetsOf
from engine.errors import ConfigError, FewLabError
from engine.runs.store import Store
from engine.training.model_file import load_model

_AT_ONCE = 512  # images that go through the network at once


def sets_of_run(labels: PartialLabels, images: ImageSet, checkpoints: Path) -> SetsOf:
    """How that run makes the sets of `images`. Raises ConfigError where it cannot be asked."""
    try:
        network, about = load_model(Store(checkpoints).open(labels.run))
    except FewLabError as error:
        raise ConfigError(f"data.labels.run cannot be asked for candidates: {error}") from None
    problem = about["problem"]
    if tuple(about["class_names"]) != images.class_names or (problem["channels"], problem["size"]) != (
        images.channels,
        images.size,
    ):
        raise ConfigError(
            f"data.labels.run is {labels.run}, whose network answers other classes or images than those of"
            f" {images.name}: choose a run on the same data."
        )
    if about.get("probe") == {"labels": 0}:
        raise ConfigError(
            f"data.labels.run is {labels.run}, whose network knows no classes: choose a run that was given labels."
        )

    def sets_of(positions: NDArray[np.int64], chance: np.random.Generator) -> Candidates:
        found = []
        with torch.inference_mode():
            for start in range(0, len(positions), _AT_ONCE):
                pixels = images.images[positions[start : start + _AT_ONCE]]
                logits = network(torch.as_tensor(pixels).float() / 255)[1]
                found.append(logits.double().log_softmax(1).numpy())
        truth = images.labels[positions]
        inclusion = instance_inclusion(np.concatenate(found), truth, labels.rule, labels.rate)
        return drawn_candidates(truth, inclusion, chance, labels.repair)

    return sets_of
