"""What several processes cannot train, said before anything is begun."""

from __future__ import annotations

from engine.config.run_config import RunConfig
from engine.errors import ConfigError
from engine.processes.group import Processes
from engine.registry import methods


def check_several(config: RunConfig, processes: Processes | None) -> None:
    """Raises ConfigError if these processes cannot divide the steps of such a run."""
    if processes is None:
        return
    if methods[config.method.name].fitted:
        raise ConfigError(
            f"{config.method.name} is fitted to all images at once, which leaves {processes.size} processes nothing to"
            " divide: train it in one process, without torchrun."
        )
    if config.budget.batch_size < processes.size:
        raise ConfigError(
            f"budget.batch_size is {config.budget.batch_size}, the images of a step in all processes together, and"
            f" {processes.size} processes cannot divide them: start fewer processes, or raise it to at least"
            f" {processes.size}."
        )
