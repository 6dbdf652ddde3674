"""What a step of every method costs beside its own forward and backward pass on views already prepared.

    python -m benchmarks.method_steps [--methods NAME ...] [--batch 32] [--network NAME] [--steps 30] [--json]

The trainer's own loop on random images, with each method's recommended batch but at most `--batch` labeled images, and
the first network it names; small_cnn where it takes any. Prints, at 32 pixels and three channels, the step over the
floor (forward and backward pass of the same batch, without optimizer, average and what the method does around them) and
each part of the step over that floor: preparing the batch, the optimizer, the method's hooks around the update, and the
rest, which is its forward and backward pass and the average of the weights. Last, at 28 pixels and one channel, what
preparing the batch is of the step. Medians of alternating rounds. Methods that are fitted have no steps.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

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

_BATCH, _NETWORK, _STEPS = 32, "small_cnn", 1_000_000
_PARTS = ("prepare", "optimizer", "hooks")


def gradient_methods() -> list[str]:
    return [name for name in methods if issubclass(methods[name], GradientMethod)]


def config_of(method: str, batch: int = _BATCH, network: str = _NETWORK) -> RunConfig:
    """network: what a method has that takes any."""
    cls = methods[method]
    kind = "few" if "few" in cls.supervision else min(cls.supervision)
    labels = {"kind": kind, **({"per_class": 4} if kind == "few" else {})}
    network = min(cls.backbones or [OWN_NETWORK]) if cls.backbones is not None else network
    plain = {
        "data": {"name": "noise", "labels": labels},
        "method": {"name": method},
        **({} if network == OWN_NETWORK else {"backbone": {"name": network}}),
        "hardware": {"device": "cpu"},
    }
    config = RunConfig.parse(plain)
    size = min(batch, config.budget.batch_size)
    return config.with_changes({"budget.batch_size": size, "budget.steps": _STEPS})


class Timed:
    """A method's loop, and a clock around its parts."""

    def __init__(self, config: RunConfig, size: int) -> None:
        self.config, images = config, make_images(size)
        machine = resolve(self.config.hardware)
        machine.apply()
        split = make_split(images, self.config.data)
        built = machine.place(make_method(self.config, make_task(self.config, images, split)))
        loop = make_loop(built, self.config, images, split, machine, Evaluator(images, split, machine))
        assert isinstance(loop, GradientLoop)
        self.loop, self.count = loop, 0
        self.held = loop.batches.batch(StepContext(0, 0, _STEPS))
        self.parts: dict[str, float] = {}
        for part, of, name in (
            ("prepare", loop.batches, "batch"),
            ("optimizer", loop.optimizer.torch, "step"),
            ("hooks", loop.method, "before_update"),
            ("hooks", loop.method, "after_update"),
        ):
            setattr(of, name, self._timed(part, getattr(of, name)))

    def _timed(self, part: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any) -> Any:
            start = time.perf_counter()
            try:
                return call(*arguments)
            finally:
                self.parts[part] = self.parts.get(part, 0.0) + time.perf_counter() - start

        return timed

    def prepare(self) -> None:
        self.loop.batches.batch(StepContext(0, self.count, _STEPS))

    def step(self) -> None:
        self.parts.clear()
        self.loop.run_step(StepContext(0, self.count, _STEPS), self.config)
        self.count += 1

    def floor(self) -> None:
        self.loop.optimizer.torch.zero_grad(set_to_none=True)
        method = self.loop.method
        method.step(self.held, StepContext(0, 0, _STEPS)).loss.backward()  # type: ignore[no-untyped-call]


def measure(method: str, batch: int, network: str, rounds: int) -> dict[str, str | float]:
    config = config_of(method, batch, network)
    photos, drawings = Timed(config, 32), Timed(config, 28)

    def at_32() -> dict[str, float]:
        step = seconds(photos.step)
        parts = {part: photos.parts.get(part, 0.0) for part in _PARTS}
        return {"step": step, **parts, "rest": step - sum(parts.values()), "floor": seconds(photos.floor)}

    def at_28() -> dict[str, float]:
        # Between two steps, as in training: alone in a loop, the caches would be warm.
        return {"step": seconds(drawings.step), "prepare": seconds(drawings.prepare)}

    large, small = medians(at_32, rounds), medians(at_28, rounds)
    return {
        "method": method,
        "step at 32 px (ms)": large["step"] * 1000,
        "step / floor": large["step"] / large["floor"],
        **{f"{part} / floor": large[part] / large["floor"] for part in (*_PARTS, "rest")},
        "prepare / step at 28 px": small["prepare"] / small["step"],
    }


def medians(times: Callable[[], dict[str, float]], rounds: int) -> dict[str, float]:
    """Of what each round after the third took, in seconds."""
    taken = [times() for _ in range(rounds + 3)][3:]
    return {name: statistics.median(took[name] for took in taken) for name in taken[0]}


def seconds(act: Callable[[], None]) -> float:
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", default=gradient_methods(), choices=gradient_methods())
    parser.add_argument("--batch", type=int, default=_BATCH, help="Labeled images of a step, where it recommends more.")
    parser.add_argument("--network", default=_NETWORK, help="For methods that take any.")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows: list[dict[str, str | float]] = []
    for method in arguments.methods:
        rows.append(measure(method, arguments.batch, arguments.network, arguments.steps))
        if not arguments.json:
            if len(rows) == 1:
                print(*rows[0], sep=", ")
            cells = [f"{value:>8.2f}" for value in rows[-1].values() if isinstance(value, float)]
            print(f"{method:22}", *cells, flush=True)
    if arguments.json:
        print(json.dumps(rows))


if __name__ == "__main__":
    main()
