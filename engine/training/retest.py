"""Measure a saved model again, from the files alone."""

from __future__ import annotations

import numpy as np

from engine.config.run_config import RunConfig
from engine.data.image_set import ImageSet
from engine.data.split import Ids, Split
from engine.errors import RunError
from engine.runs.folder import RunFolder
from engine.training.assemble import load_images
from engine.training.evaluation.evaluator import Evaluator
from engine.training.hardware import resolve
from engine.training.model_file import load_model


def retest(folder: RunFolder) -> dict[str, float]:
    """Metrics of model.safetensors on every validation and test image of the run's own split. Raises RunError if
    there is no model, or the images are no longer those that the run learned from.
    """
    served, _ = load_model(folder)
    config = RunConfig.parse(folder.config())
    machine = resolve(config.hardware)
    machine.apply()
    images, ids = load_images(config), folder.split()
    _refuse_other_images(folder, images, np.concatenate(list(ids.values())))
    split = Split(ids["labeled"], ids["pool"], ids["validation"], ids["test"])
    metrics, _ = Evaluator(images, split, machine).evaluate(machine.place(served), final=True)
    return metrics


def _refuse_other_images(folder: RunFolder, images: ImageSet, ids: Ids) -> None:
    begun = folder.content_hash()
    missing = bool((~np.isin(ids, images.ids)).any())
    # A journal without the hash still has the ids, which a removed image takes away.
    if images.content_hash != begun if begun is not None else missing:
        raise RunError(
            f"The images of run {folder.id} have changed since it learned from them: restore them as they were, or"
            " start the run again."
        )
    if missing:
        raise RunError(
            f"The split of run {folder.id} names images that its data set does not have: restore split.npz or the data."
        )
