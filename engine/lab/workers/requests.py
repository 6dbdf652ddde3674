"""What the engine's process answers to the server: the questions that need torch."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine import catalog as catalogs
from engine.config.run_config import RunConfig
from engine.errors import ConfigError
from engine.lab.workers.data_requests import prepare, preview, ready
from engine.lab.workers.prediction_requests import predict, predict_samples
from engine.runs.store import Store
from engine.training.assemble import check as check_run
from engine.training.trainer import Trainer


def warm_up() -> None:
    """Train a few throwaway steps, so that the first real one does not pay for loading libraries and preparing
    convolutions.
    """
    measure(
        RunConfig.parse({"method": {"name": "fixmatch"}, "data": {"name": "digits"}}).model_dump(mode="json"),
        seconds=0.0,
    )


def catalog() -> dict[str, Any]:
    return catalogs.catalog()


def check(config: dict[str, Any], checkpoints: str) -> dict[str, Any]:
    """The config resolved; what the data or the weights to start from cannot do is refused too. Raises ConfigError."""
    resolved = RunConfig.parse(config)
    if not ready(resolved.data.model_dump(mode="json")):  # reading them can take minutes, and this answer is waited for
        raise ConfigError('These images have not been read on this machine yet: press "Read the images" first.')
    check_run(resolved, Path(checkpoints))
    return resolved.model_dump(mode="json")


def measure(config: dict[str, Any], seconds: float = 0.7) -> dict[str, float]:
    """Seconds for set-up, one step and one evaluation, from really doing them in a throwaway folder."""
    with tempfile.TemporaryDirectory(prefix="fewlab-") as root:
        # What the weights start from changes no step's time, and the earlier run is in another folder.
        plain = RunConfig.parse(config).with_changes({"backbone.init": "random"}).model_dump(mode="json")
        return Trainer(Store(root).create(plain)).measure(seconds)


SLOW = {"prepare", "measure"}  # can take minutes; each is answered in a thread of its own

HANDLERS: dict[str, Callable[..., Any]] = {
    "catalog": catalog,
    "check": check,
    "ready": ready,
    "prepare": prepare,
    "preview": preview,
    "measure": measure,
    "predict": predict,
    "predict_samples": predict_samples,
}
