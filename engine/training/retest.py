"""Measure a saved model again, from the files alone."""

from __future__ import annotations

from engine.config.run_config import RunConfig
from engine.data.split import Split
from engine.errors import RunError
from engine.runs.folder import RunFolder
from engine.training.assemble import load_images
from engine.training.evaluation.evaluator import Evaluator
from engine.training.hardware import resolve
from engine.training.model_file import load_model


def retest(folder: RunFolder) -> dict[str, float]:
    """Metrics of model.safetensors on every validation and test image of the run's own split. Raises RunError if
    there is no model.
    """
    served, _ = load_model(folder)
    config = RunConfig.parse(folder.config())
    machine = resolve(config.hardware)
    machine.apply()
    ids = folder.split()
    split = Split(ids["labeled"], ids["pool"], ids["validation"], ids["test"])
    try:
        evaluator = Evaluator(load_images(config), split, machine)
    except KeyError:
        raise RunError(
            f"The split of run {folder.id} names images that its data set does not have: restore split.npz or the data."
        ) from None
    metrics, _ = evaluator.evaluate(machine.place(served), final=True)
    return metrics
