"""What two processes do in test_several_processes.py; `torchrun` starts this file as a module with a folder and the
names of tasks, which are done in their order.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from typer.testing import CliRunner

from engine import RunConfig, train
from engine.__main__ import app
from engine.backbones.mixed_precision import MixedPrecision
from engine.errors import FewLabError
from engine.methods.base.batch import Batch
from engine.methods.base.context import StepContext
from engine.methods.base.method import GradientMethod, StepResult
from engine.processes.environment import end_at_once
from engine.processes.group import Processes, join
from engine.registry import backbones, datasets, methods
from engine.training.assemble import assemble
from engine.training.commands import Command, Control
from engine.training.evaluation.evaluator import Evaluator
from engine.training.hardware import resolve
from engine.training.loops.batches import Batches
from engine.training.loops.gradient_loop import GradientLoop
from tests.contract.dropout_cnn import DropoutCNN
from tests.contract.method_runs import WITH_STEPS, config
from tests.contract.toy import Toy

STEPS = 50
SHARED: dict[str, Any] = {
    "data": {"name": "digits"},
    "backbone": {"name": "small_cnn", "width": 8},
    "budget": {"steps": STEPS, "batch_size": 16, "evaluate_every": 25},
    "optimizer": {"warmup_steps": 10},
    "hardware": {"device": "cpu", "threads": 1},
}
PARTIAL = {"data": {"name": "digits", "labels": {"kind": "partial"}}}
# Batch norm; a teacher; a queue and norms in groups; a bank of embeddings; a table of weights; a table of marks.
RUNS: dict[str, dict[str, Any]] = {
    "fixmatch": {"method": {"name": "fixmatch", "threshold": 0.5, "unlabeled_ratio": 2}},
    "mean_teacher": {"method": {"name": "mean_teacher"}},
    "moco": {"method": {"name": "moco", "queue_size": 64}, "budget": {"batch_size": 32}},
    "comatch": {"method": {"name": "comatch", "threshold": 0.5, "unlabeled_ratio": 2, "memory": 2}},
    "proden": {"method": {"name": "proden"}, **PARTIAL},
    "flexmatch": {"method": {"name": "flexmatch", "threshold": 0.5, "unlabeled_ratio": 2}},
}
DROPOUT: dict[str, Any] = {"method": {"name": "supervised"}, "backbone": {"name": "dropout_cnn"}}
WHOLE = ("fixmatch", "moco", "proden")
"""Those that are also trained from the first step to the end as users do."""
IN_FLOAT32 = {"simmatch"}
"""Methods that say float32 themselves."""
CHANGED, PAUSED, STOPPED, KILLED = 7, 12, 20, 35


def settings(name: str) -> dict[str, Any]:
    own = RUNS[name]
    return {**SHARED, **own, "budget": {**SHARED["budget"], **own.get("budget", {})}}


class Scripted(Control):
    """Does something before some of the steps."""

    def __init__(self, plan: dict[int, Callable[[Control], None]]) -> None:
        super().__init__()
        self._plan, self._step, self._told = plan, -1, False

    def poll(self) -> Command | None:
        waiting = super().poll()
        if waiting is None and not self._told:  # the first look before a step
            self._step += 1
            if self._step in self._plan:
                self._plan[self._step](self)
            waiting = super().poll()
        self._told = waiting is not None
        return waiting


def pause(control: Control) -> None:
    control.send(Command("pause"))
    control.send(Command("resume"))


# tasks


def steps(folder: Path) -> None:
    """Steps of every method, and of some of them on digits, alone and divided: the largest difference of any parameter
    or buffer.

    In float64: in float32 two orders of summation already choose other pseudo-labels after some steps.
    """
    processes = join()
    assert processes is not None
    # 7 rows: one process has more of them than the other.
    wanted = {name: (config(name, steps=4, batch=7), 4) for name in WITH_STEPS}
    wanted |= {f"{name} on digits": (RunConfig.parse(settings(name)), STEPS) for name in RUNS}
    found = {}
    for name, (plain, count) in wanted.items():
        kind = torch.float32 if name in IN_FLOAT32 else torch.float64
        alone, divided = (stepped(plain, count, kind, one) for one in (None, processes))
        found[name] = max(float((alone[key].double() - divided[key].double()).abs().max()) for key in alone)
    if processes.leads:
        (folder / "steps.json").write_text(json.dumps(found), encoding="utf-8")


def stepped(plain: RunConfig, count: int, kind: torch.dtype, processes: Processes | None) -> dict[str, torch.Tensor]:
    machine = resolve(plain.hardware)
    machine.apply()
    torch.set_default_dtype(kind)
    try:
        run = assemble(plain, Path())
        assert isinstance(run.method, GradientMethod)
        method = machine.place(run.method).to(kind)
        evaluator = Evaluator(run.images, run.split, machine)
        loop = GradientLoop(method, plain, run.images, run.split, machine, evaluator, processes)
        loop.batches = Wide(loop.batches, kind)  # type: ignore[assignment]  # of which a loop asks no more
        for step in range(count):
            loop.run_step(StepContext(plain.seed, step, plain.budget.steps, loop.steps_per_epoch), plain)
    finally:
        torch.set_default_dtype(torch.float32)
    assert any(isinstance(module, MixedPrecision) for module in method.modules())
    return {key: value.clone() for key, value in method.state_dict().items() if value.numel()}


class Wide:
    """Batches whose views are of another type."""

    def __init__(self, batches: Batches, kind: torch.dtype) -> None:
        self._batches, self._kind = batches, kind
        self.steps_per_epoch = batches.steps_per_epoch

    def batch(self, now: StepContext) -> Batch:
        batch = self._batches.batch(now)
        for part in batch.values():
            part.views.update({name: view.to(self._kind) for name, view in part.views.items()})
        return batch


def runs(folder: Path) -> None:
    """Whole runs, the first of them as the command line trains it."""
    ids = {}
    for number, name in enumerate(WHOLE):
        if number == 0:
            file = folder / f"{name}-{os.getpid()}.json"
            file.write_text(json.dumps(settings(name)), encoding="utf-8")
            arguments = ["train", "--config", str(file), "--checkpoints", str(folder / "checkpoints"), "--json"]
            done = CliRunner().invoke(app, arguments)
            assert done.exit_code == 0, done.output
            (folder / f"printed-{os.environ['RANK']}.txt").write_text(done.output, encoding="utf-8")
            if os.environ["RANK"] == "0":
                ids[name] = json.loads(done.stdout)["run"]
            continue
        ids[name] = train(settings(name), folder / "checkpoints").id
    if os.environ["RANK"] == "0":
        (folder / "runs.json").write_text(json.dumps(ids), encoding="utf-8")


def commands(folder: Path) -> None:
    """A live change, a pause and its end, and a stop: the first process is told them alone."""
    control = Scripted(
        {
            CHANGED: lambda control: control.send(Command("set", "method.threshold", 0.2)),
            PAUSED: pause,
            STOPPED: lambda control: control.send(Command("stop")),
        }
    )
    run = train(settings("fixmatch"), folder / "checkpoints", control=control)
    file = folder / f"commands-{os.environ['RANK']}.json"
    file.write_text(json.dumps([run.id, run.status.state]), encoding="utf-8")


def refusals(folder: Path) -> None:
    """What each process is told, by what cannot be divided; they can go on with another run after each."""
    said = {}
    fitted = {"data": {"name": "digits"}, "method": {"name": "label_propagation"}, "backbone": {"name": "pixels"}}
    few = {**settings("fixmatch"), "hardware": {"device": "cpu", "compile": True}}
    dropout = {**SHARED, **DROPOUT, "data": {"name": "toy"}}
    for name, wanted in (("fitted", fitted), ("compiled", few), ("dropout", dropout)):
        try:
            train(wanted, folder / "checkpoints")
        except FewLabError as error:
            said[name] = str(error)
    real = GradientLoop.run_step
    if os.environ["RANK"] == "1":

        def failing(loop: GradientLoop, now: StepContext, config: RunConfig) -> StepResult:
            if now.step == 3:
                raise MemoryError
            return real(loop, now, config)

        GradientLoop.run_step = failing  # type: ignore[method-assign, assignment]  # in this process alone
    try:
        train(settings("proden"), folder / "checkpoints")
    except MemoryError:
        said["failed"] = "MemoryError"
    except FewLabError as error:
        said["failed"] = str(error)
    finally:
        GradientLoop.run_step = real  # type: ignore[method-assign]
    (folder / f"refusals-{os.environ['RANK']}.json").write_text(json.dumps(said), encoding="utf-8")


def killed(folder: Path) -> None:
    """A run whose processes are all killed at once, torchrun too, some steps after its checkpoint."""
    (folder / f"pid-{os.environ['RANK']}").write_text(str(os.getpid()), encoding="utf-8")

    def kill(control: Control) -> None:
        for pid in (os.getppid(), int((folder / "pid-1").read_text(encoding="utf-8")), os.getpid()):
            os.kill(pid, signal.SIGKILL)

    train(settings("fixmatch"), folder / "killed", control=Scripted({PAUSED: pause, KILLED: kill}))


TASKS = {task.__name__: task for task in (steps, runs, commands, refusals, killed)}

if __name__ == "__main__":
    datasets.register(Toy)
    backbones.register(DropoutCNN)
    assert set(WITH_STEPS) <= set(methods)
    for name in sys.argv[2:]:
        TASKS[name](Path(sys.argv[1]))
    end_at_once()
