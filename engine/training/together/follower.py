"""The other processes of a run that several train: they take the steps that the first one tells them, and write
nothing.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

from engine.config.run_config import RunConfig
from engine.errors import FewLabError
from engine.methods.base.context import StepContext
from engine.processes.group import Processes
from engine.training.assemble import assemble
from engine.training.evaluation.evaluator import Evaluator
from engine.training.hardware import Machine
from engine.training.loops.loop import is_logged
from engine.training.loops.make_loop import make_loop
from engine.training.together.agreement import check_agreement
from engine.training.together.orders import Beginning, Order


class Refused(FewLabError):
    """The process that leads could not begin a run, or go on with it after a step."""


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
            Follower(processes, value).run()


class Follower:
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
