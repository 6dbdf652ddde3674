"""One run that several processes train: the first one leads, which decides everything between two steps and alone
writes; the others follow, which take the steps that they are told and write nothing (docs/decisions/0024).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from typing import Any, NamedTuple

import torch
from numpy.typing import NDArray
from torch import nn

from engine.config.run_config import RunConfig
from engine.errors import ConfigError, FewLabError
from engine.methods.base.context import StepContext
from engine.processes.group import Processes
from engine.registry import methods
from engine.runs.folder import RunFolder
from engine.training.assemble import assemble
from engine.training.checkpoint_writer import on_cpu
from engine.training.evaluation.evaluator import Evaluator
from engine.training.hardware import Machine
from engine.training.loops.loop import is_logged
from engine.training.loops.make_loop import make_loop


class Order(IntEnum):
    """What the process that leads tells the others, between two steps; what comes with it stands behind it."""

    BEGIN = 0  # a run: Beginning
    STEP = 1  # the next step
    SETTINGS = 2  # that are in force from the next step on: the config as a plain object
    COMPARE = 3  # whether all processes have the same state
    END = 4  # of the steps of this run
    OVER = 5  # of all runs: the id of the last one
    REFUSED = 6  # nothing was begun, or it failed between two steps: the sentence


class Beginning(NamedTuple):
    """A run as it stands before the steps that several processes train. path: its folder. config, machine: plain
    objects. candidates: bool [pool, K], None where nothing has candidates. state: that of the method and of its loop,
    as a checkpoint holds it.
    """

    path: str
    config: dict[str, Any]
    machine: dict[str, Any]
    candidates: NDArray[Any] | None
    step: int
    state: dict[str, Any]


class Refused(FewLabError):
    """The process that leads could not begin a run, or go on with it after a step."""


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


def follow(processes: Processes) -> str:
    """Take part in runs until the process that leads has no further one. Returns the id of the last run.

    Raises Refused with the sentence that the process that leads has for its user.
    """
    while True:
        order, value = processes.hear()
        if order == Order.OVER:
            return str(value)
        if order == Order.REFUSED:
            raise Refused(str(value))
        if order == Order.BEGIN:
            _Follower(processes, value).run()


class _Follower:
    """One run as a process has it that does not lead: the same method, batches and updates."""

    def __init__(self, processes: Processes, begun: Beginning) -> None:
        self._processes, self._step = processes, begun.step
        machine = Machine(**begun.machine)
        if machine.is_cuda:
            machine = dataclasses.replace(machine, device=f"cuda:{processes.local_rank}")
        machine.apply()
        processes.use(machine.is_cuda)
        self._config = RunConfig.parse(begun.config)
        # Not from where the weights began: those that it has by now come from the process that leads.
        run = assemble(self._config, Path(begun.path).parent, "", begun.candidates)
        self._method = machine.place(run.method)
        evaluator = Evaluator(run.images, run.split, machine)
        self._loop = make_loop(self._method, self._config, run.images, run.split, machine, evaluator, processes)
        self._method.load_state_dict(begun.state["method"])
        self._loop.load_state(begun.state)

    def run(self) -> None:
        while True:
            order, value = self._processes.hear()
            if order == Order.STEP:
                self._step_once()
            elif order == Order.SETTINGS:
                self._config = RunConfig.parse(value)
                self._method.params = self._config.method
            elif order == Order.COMPARE:
                check_agreement(self._method, self._processes, self._step)
            elif order == Order.REFUSED:
                raise Refused(str(value))
            else:
                return

    def _step_once(self) -> None:
        config, steps = self._config, self._config.budget.steps
        logged = is_logged(self._step + 1, steps)
        now = StepContext(config.seed, self._step, steps, self._loop.steps_per_epoch, logged)
        self._loop.run_step(now, config)
        self._step += 1


def check_agreement(method: nn.Module, processes: Processes, step: int) -> None:
    """Raises FewLabError, in every process, if a parameter or buffer differs between two of them."""
    state = method.state_dict()
    # Sums of the same numbers in the same order are the same bits, and bits compare also where they are no numbers.
    own = torch.stack([value.detach().double().sum() for value in state.values()]).view(torch.int64)
    every = processes.gather(own[None], [1] * processes.size)
    differs = (every != every[0]).any(0).tolist()
    if any(differs):
        name = next(name for name, is_other in zip(state, differs, strict=True) if is_other)
        raise FewLabError(
            f"After step {step} the processes of this run no longer agree, first in {name}: resume it from its last"
            " checkpoint, on processors of one kind, or in one process."
        )


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
    wanted = config.hardware
    gpus = torch.cuda.device_count() if torch.cuda.is_available() and wanted.device != "cpu" else 0
    if wanted.device.startswith("cuda:"):
        raise ConfigError(
            f'hardware.device is "{wanted.device}", but each of several processes takes the GPU of its own number:'
            ' choose "auto", "cuda" or "cpu".'
        )
    if 0 < gpus < processes.local_size:
        there = "is one GPU" if gpus == 1 else f"are {gpus} GPUs"
        raise ConfigError(
            f"{processes.local_size} processes were started and there {there} here: start one for each GPU, or choose"
            ' "cpu" as hardware.device.'
        )
    if not wanted.deterministic:
        raise ConfigError(
            "hardware.deterministic is off, but several processes repeat what they do not divide, and must agree to the"
            " bit: turn it on, or train in one process."
        )
    if wanted.compile:
        raise ConfigError(
            "hardware.compile is on, but a compiled network cannot be divided among processes: turn it off, or train in"
            " one process."
        )
