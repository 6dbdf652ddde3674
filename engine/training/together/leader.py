"""The first process of a run that several train: it decides everything between two steps, and tells the others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from numpy.typing import NDArray
from torch import nn

from engine.config.run_config import RunConfig
from engine.processes.group import Processes
from engine.runs.folder import RunFolder
from engine.training.checkpoint_writer import on_cpu
from engine.training.hardware import Machine
from engine.training.together.agreement import check_agreement
from engine.training.together.orders import Beginning, Order


class Leader:
    """Tells the other processes what this one does. In one process there is nobody to tell."""

    def __init__(self, processes: Processes | None) -> None:
        self._processes = processes
        self._told: RunConfig | None = None

    def begin(
        self,
        folder: RunFolder,
        config: RunConfig,
        machine: Machine,
        candidates: NDArray[Any] | None,
        step: int,
        state: dict[str, Any],
    ) -> None:
        """From here on the other processes take every step that this one takes. state: that of the method and of its
        loop.
        """
        if self._processes is None:
            return
        plain, path = config.model_dump(mode="json"), str(folder.path.resolve())
        self._processes.tell(Order.BEGIN, Beginning(path, plain, machine.plain(), candidates, step, on_cpu(state)))
        self._processes.use(machine.is_cuda)
        self._told = config

    @contextmanager
    def step(self, config: RunConfig) -> Iterator[None]:
        """Inside, all processes take the next step, with the settings as they are now."""
        if self._processes is None:
            yield
            return
        if config is not self._told:
            self._processes.tell(Order.SETTINGS, config.model_dump(mode="json"))
            self._told = config
        self._processes.tell(Order.STEP)
        self._processes.in_step = True
        yield
        self._processes.in_step = False  # not where it failed: then the others wait in the middle of it

    def compare(self, method: nn.Module, step: int) -> None:
        """Raises FewLabError if the others have another state than this process."""
        if self._processes is None or self._told is None:
            return
        self._processes.tell(Order.COMPARE)
        check_agreement(method, self._processes, step)

    def end(self) -> None:
        """There is no further step."""
        if self._processes is not None and self._told is not None:
            self._processes.tell(Order.END)
            self._told = None
