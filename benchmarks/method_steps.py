"""What a step of every method costs beside its own forward and backward pass on views already prepared.

    python -m benchmarks.method_steps [--methods NAME ...] [--steps 30] [--json]

The trainer's own loop on random images, with each method's recommended batch but at most 32 labeled images, and the
first network it names; small_cnn where it takes any. Prints, at 32 pixels and three channels, the step over the floor
(forward and backward pass of the same batch, without optimizer, average and what the method does around them), and at
28 pixels and one channel what preparing the batch is of the step. Medians of alternating rounds. Methods that are
fitted have no steps.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable

from benchmarks.step import make_images
from engine.config.run_config import OWN_NETWORK, RunConfig
from engine.data.split import make_split
from engine.methods.base.context import StepContext
from engine.methods.base.method import GradientMethod
from engine.registry import methods
from engine.training.assemble import make_method, make_task
from engine.training.evaluation.evaluator import Evaluator
from engine.training.hardware import resolve
from engine.training.loops.gradient_loop import GradientLoop
from engine.training.loops.make_loop import make_loop

_LARGEST_BATCH, _STEPS = 32, 1_000_000


def gradient_methods() -> list[str]:
    return [name for name in methods if issubclass(methods[name], GradientMethod)]


def config_of(method: str) -> RunConfig:
    cls = methods[method]
    kind = "few" if "few" in cls.supervision else min(cls.supervision)
    labels = {"kind": kind, **({"per_class": 4} if kind == "few" else {})}
    network = min(cls.backbones or [OWN_NETWORK]) if cls.backbones is not None else "small_cnn"
    plain = {
        "data": {"name": "noise", "labels": labels},
        "method": {"name": method},
        **({} if network == OWN_NETWORK else {"backbone": {"name": network}}),
        "hardware": {"device": "cpu"},
    }
    config = RunConfig.parse(plain)
    size = min(_LARGEST_BATCH, config.budget.batch_size)
    return config.with_changes({"budget.batch_size": size, "budget.steps": _STEPS})


class Timed:
    """A method's loop, and a clock around its parts."""

    def __init__(self, method: str, size: int) -> None:
        self.config, images = config_of(method), make_images(size)
        machine = resolve(self.config.hardware)
        machine.apply()
        split = make_split(images, self.config.data)
        built = machine.place(make_method(self.config, make_task(self.config, images, split)))
        loop = make_loop(built, self.config, images, split, machine, Evaluator(images, split, machine))
        assert isinstance(loop, GradientLoop)
        self.loop, self.count = loop, 0
        self.held = loop.batches.batch(StepContext(0, 0, _STEPS))

    def prepare(self) -> None:
        self.loop.batches.batch(StepContext(0, self.count, _STEPS))

    def step(self) -> None:
        self.loop.run_step(StepContext(0, self.count, _STEPS), self.config)
        self.count += 1

    def floor(self) -> None:
        self.loop.optimizer.torch.zero_grad(set_to_none=True)
        method = self.loop.method
        method.step(self.held, StepContext(0, 0, _STEPS)).loss.backward()  # type: ignore[no-untyped-call]


def medians(parts: list[Callable[[], None]], rounds: int) -> list[float]:
    """Seconds of each, in turns."""
    times: list[list[float]] = [[] for _ in parts]
    for number in range(rounds + 3):
        for part, kept in zip(parts, times, strict=True):
            start = time.perf_counter()
            part()
            if number >= 3:
                kept.append(time.perf_counter() - start)
    return [statistics.median(kept) for kept in times]


def measure(method: str, rounds: int) -> dict[str, str | float]:
    photos, drawings = Timed(method, 32), Timed(method, 28)
    step, floor = medians([photos.step, photos.floor], rounds)
    # Between two steps, as in training: alone in a loop, the caches would be warm.
    small, prepare = medians([drawings.step, drawings.prepare], rounds)
    return {
        "method": method,
        "step at 32 px (ms)": step * 1000,
        "step / floor": step / floor,
        "prepare / step at 28 px": prepare / small,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", default=gradient_methods(), choices=gradient_methods())
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows = []
    for method in arguments.methods:
        rows.append(measure(method, arguments.steps))
        if not arguments.json:
            cells = [f"{value:>8.2f}" for value in rows[-1].values() if isinstance(value, float)]
            print(f"{method:22}", *cells, flush=True)
    if arguments.json:
        print(json.dumps(rows))


if __name__ == "__main__":
    main()
