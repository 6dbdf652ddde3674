"""Our FixMatch step against the loop everyone writes, and against the floor: forward and backward on views already
prepared.

    python -m benchmarks.step [--sizes 8 28 32] [--steps 30] [--json]

Both sides use the same network, batch, loss, optimizer and number of threads. The other side reads single images from
a Dataset through a DataLoader and applies torchvision's v2 transforms to each (flip, reflect-padded crop; RandAugment
with two operations; a square erased), in this process and, for comparison, with two workers. Rounds alternate, the
medians are of all rounds, so a slow moment of the machine hits every side.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, RandomSampler
from torchvision.transforms import v2

from engine.config.run_config import RunConfig
from engine.data.image_set import ImageSet
from engine.data.split import make_split
from engine.methods.base.context import StepContext
from engine.methods.base.method import GradientMethod
from engine.training.assemble import make_method, make_task
from engine.training.hardware import resolve
from engine.training.loops.batches import Batches
from engine.training.loops.optimizer import ScheduledOptimizer
from engine.training.loops.weight_average import WeightAverage

CHANNELS = {8: 1, 28: 1, 32: 3}
LABELED, UNLABELED = 32, 128
IMAGES = LABELED + 2 * UNLABELED


def make_images(size: int) -> ImageSet:
    rng = np.random.default_rng(0)
    n = 2000
    ids = np.arange(n)
    return ImageSet(
        "random",
        rng.integers(0, 256, (n, CHANNELS[size], size, size), dtype=np.uint8),
        ids % 10,
        ids,
        ids >= 1900,
        tuple("0123456789"),
        frozenset({"flip"}),
    )


class Ours:
    """The trainer's own pieces, with a clock between preparing a batch and using it."""

    def __init__(self, size: int) -> None:
        self.config = RunConfig.parse(
            {"data": {"name": "noise", "labels": {"kind": "few", "per_class": 4}}, "method": {"name": "fixmatch"}}
        )
        self.machine = resolve(self.config.hardware)
        self.machine.apply()
        images = make_images(size)
        split = make_split(images, self.config.data)
        method = make_method(self.config, make_task(self.config, images, split))
        assert isinstance(method, GradientMethod)
        self.method = self.machine.place(method)
        self.batches = Batches(self.method, self.config, images, split, self.machine)
        self.optimizer = ScheduledOptimizer(self.method, self.config.optimizer).torch
        self.average = WeightAverage(self.method.served(), 0.99)
        self.count = 0

    def step(self) -> tuple[float, float]:
        """Seconds of preparing the batch, and of the whole step."""
        now = StepContext(0, self.count, 1_000_000)
        self.count += 1
        start = time.perf_counter()
        batch = self.batches.batch(now)
        prepared = time.perf_counter()
        self.method.train()
        self.optimizer.zero_grad(set_to_none=True)
        self.method.step(batch, now).loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.average.update(now.step)
        return prepared - start, time.perf_counter() - start

    def floor(self) -> Callable[[], float]:
        """Forward and backward alone, on one batch prepared once."""
        now = StepContext(0, 0, 1_000_000)
        batch = self.batches.batch(now)

        def run() -> float:
            start = time.perf_counter()
            self.optimizer.zero_grad(set_to_none=True)
            self.method.step(batch, now).loss.backward()  # type: ignore[no-untyped-call]
            return time.perf_counter() - start

        return run


class Usual(Dataset[tuple[Tensor, ...]]):
    """One image at a time, as in most published code."""

    def __init__(self, images: ImageSet, both: bool) -> None:
        size = images.size
        pad = round(size / 8)
        weak = [v2.RandomHorizontalFlip(), v2.RandomCrop(size, padding=pad, padding_mode="reflect")]
        end = [v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.5] * images.channels, [0.25] * images.channels)]
        self.weak = v2.Compose([*weak, *end])
        self.strong = v2.Compose(
            [*weak, v2.RandAugment(2, 10), *end, v2.RandomErasing(1.0, (0.25, 0.25), (1.0, 1.0), 0.0)]
        )
        self.images, self.labels, self.both = torch.as_tensor(images.images), torch.as_tensor(images.labels), both

    def __len__(self) -> int:
        return 1900

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        image = self.images[index]
        return (self.weak(image), self.strong(image)) if self.both else (self.weak(image), self.labels[index])


class UsualLoop:
    def __init__(self, size: int, workers: int) -> None:
        images = make_images(size)
        ours = Ours(size)
        self.network, self.optimizer, self.average = ours.method, ours.optimizer, ours.average
        self.labeled = self._forever(Usual(images, False), LABELED, workers)
        self.unlabeled = self._forever(Usual(images, True), UNLABELED, workers)
        self.count = 0

    def _forever(self, data: Usual, batch: int, workers: int) -> Iterator[list[Tensor]]:
        sampler = RandomSampler(data, replacement=True, num_samples=10**9)
        return iter(DataLoader(data, batch, sampler=sampler, num_workers=workers, drop_last=True))

    def step(self) -> float:
        start = time.perf_counter()
        x, y = next(self.labeled)
        weak, strong = next(self.unlabeled)
        self.network.train()
        self.optimizer.zero_grad(set_to_none=True)
        _, logits = self.network.served()(torch.cat([x, weak, strong]).contiguous(memory_format=torch.channels_last))
        logits_x, logits_w, logits_s = logits.split([LABELED, UNLABELED, UNLABELED])
        confidence, guess = logits_w.detach().softmax(1).max(1)
        loss = (
            F.cross_entropy(logits_x, y)
            + (F.cross_entropy(logits_s, guess, reduction="none") * (confidence >= 0.95)).mean()
        )
        loss.backward()
        self.optimizer.step()
        self.average.update(self.count)
        self.count += 1
        return time.perf_counter() - start


def measure(size: int, steps: int) -> dict[str, float]:
    """Medians in milliseconds, and our rate against the others'."""
    ours = Ours(size)
    floor = ours.floor()
    usual, workers = UsualLoop(size, 0), UsualLoop(size, 2)
    for _ in range(3):
        ours.step(), floor(), usual.step(), workers.step()
    times: dict[str, list[float]] = {"prepare": [], "step": [], "floor": [], "usual": [], "usual, 2 workers": []}
    for _ in range(steps):
        prepare, step = ours.step()
        for name, value in (("prepare", prepare), ("step", step), ("floor", floor()), ("usual", usual.step())):
            times[name].append(value)
    # Workers prepare ahead while others are timed: their loop is measured alone, without a pause in which they could
    # get ahead.
    for _ in range(steps + 4):
        times["usual, 2 workers"].append(workers.step())
    middle = {name: statistics.median(values[-steps:]) * 1000 for name, values in times.items()}
    return {
        "size": size,
        **{f"{name} (ms)": value for name, value in middle.items()},
        "prepare / step": middle["prepare"] / middle["step"],
        "step / floor": middle["step"] / middle["floor"],
        "our images/s": IMAGES / middle["step"] * 1000,
        "ratio to usual": middle["usual"] / middle["step"],
        "ratio to usual, 2 workers": middle["usual, 2 workers"] / middle["step"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[8, 28, 32], choices=sorted(CHANNELS))
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows = [measure(size, arguments.steps) for size in arguments.sizes]
    if arguments.json:
        print(json.dumps(rows))
        return
    for name in rows[0]:
        print(
            f"{name:28}"
            + "".join(f"{row[name]:12.0%}" if name == "prepare / step" else f"{row[name]:12.2f}" for row in rows)
        )


if __name__ == "__main__":
    main()
