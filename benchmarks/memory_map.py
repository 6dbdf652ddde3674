"""Training from a memory map against training from memory: the process's own memory (RssAnon), and images per second.

    python -m benchmarks.memory_map CIFAR10.zip [--large 100000] [--rounds 12] [--json]

First the archive (one folder per class) is imported and opened again. Then FixMatch takes steps on it, and on a made-up
set of --large color images of 64x64, once gathering from the map and once from a copy in memory, in alternating
rounds on one thread. Rates are per second of this process's own processor time, faults of the map included, so that
whatever else the machine does hits neither side; once the file is cached nothing waits for a disk. The wall clock's
ratio is given too. "memory of its own" is what the trainer has taken since before it saw the images: with the map,
buffers and the network alone.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from engine.config.run_config import RunConfig
from engine.data.image_set import ImageSet
from engine.data.sets.folder import Folder
from engine.data.split import make_split
from engine.methods.base.context import StepContext
from engine.methods.base.method import GradientMethod
from engine.training.assemble import make_method, make_task, set_normalization
from engine.training.hardware import resolve
from engine.training.loops.batches import Batches
from engine.training.loops.optimizer import ScheduledOptimizer

LABELED, RATIO = 16, 2
WARM = 3


class Side:
    """The trainer's own pieces over one set of images."""

    def __init__(self, images: ImageSet) -> None:
        plain = {
            "data": {"name": "noise", "labels": {"kind": "few", "per_class": 4}},
            "method": {"name": "fixmatch", "unlabeled_ratio": RATIO},
            "budget": {"batch_size": LABELED},
            "hardware": {"threads": 1},
        }
        config = RunConfig.parse(plain)
        machine = resolve(config.hardware)
        machine.apply()
        split = make_split(images, config.data)
        method = make_method(config, make_task(config, images, split))
        assert isinstance(method, GradientMethod)
        set_normalization(method.backbone, images)
        self.method = machine.place(method)
        self.batches = Batches(self.method, config, images, split, machine)
        self.optimizer = ScheduledOptimizer(self.method, config.optimizer).torch
        self.count = 0

    def step(self) -> tuple[float, float, float]:
        """Processor seconds of preparing the batch and of the whole step, and seconds of the step on the wall."""
        now = StepContext(0, self.count, 1_000_000)
        self.count += 1
        wall, start = time.perf_counter(), time.process_time()
        batch = self.batches.batch(now)
        prepared = time.process_time()
        self.method.train()
        self.optimizer.zero_grad(set_to_none=True)
        self.method.step(batch, now).loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return prepared - start, time.process_time() - start, time.perf_counter() - wall


def measure(name: str, images: ImageSet, rounds: int) -> dict[str, float | str]:
    """One set, both sides."""
    before = own_memory()
    mapped = Side(images)
    for _ in range(WARM):
        mapped.step()
    from_map = own_memory() - before
    copy = ImageSet(
        images.name,
        np.array(images.images),
        images.labels,
        images.ids,
        images.is_test,
        images.class_names,
        images.symmetries,
        images.known,
    )
    copied = Side(copy)
    for _ in range(WARM):
        copied.step()
    from_memory = own_memory() - before
    times: dict[str, list[tuple[float, float, float]]] = {"map": [], "memory": []}
    for i in range(rounds):
        for side, taken in (((mapped, "map"), (copied, "memory")), ((copied, "memory"), (mapped, "map")))[i % 2]:
            times[taken].extend(side.step() for _ in range(4))
    per_step = mapped.batches.images_per_step
    prepare, step, wall = (
        {taken: statistics.median(three[k] for three in threes) for taken, threes in times.items()} for k in range(3)
    )
    return {
        "set": name,
        "images (MB)": images.images.nbytes / 1e6,
        "memory of its own, map (MB)": from_map,
        "memory of its own, both (MB)": from_memory,
        "images/s, map": per_step / step["map"],
        "images/s, memory": per_step / step["memory"],
        "map / memory": step["memory"] / step["map"],
        "map / memory, wall clock": wall["memory"] / wall["map"],
        "prepare, map (ms)": prepare["map"] * 1000,
        "prepare, memory (ms)": prepare["memory"] * 1000,
    }


def own_memory() -> float:
    """RssAnon in MB: pages of this process that no file backs."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("RssAnon")).split()[1]) * 1024 / 1e6


def made_up(folder: Path, n: int) -> ImageSet:
    """n random color images of 64x64, written block by block and mapped."""
    images = np.lib.format.open_memmap(folder / "images.npy", mode="w+", dtype=np.uint8, shape=(n, 3, 64, 64))
    random = np.random.default_rng(0)
    for start in range(0, n, 1000):
        block = images[start : start + 1000]
        block[:] = random.integers(0, 256, block.shape, dtype=np.uint8)
    images.flush()
    del images
    ids = np.arange(n)
    mapped = np.load(folder / "images.npy", mmap_mode="r")
    return ImageSet("made up", mapped, ids % 10, ids, ids >= 0.9 * n, tuple("0123456789"), frozenset({"flip"}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", type=Path)
    parser.add_argument("--large", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    source = Folder(Folder.Params(path=str(arguments.archive)))
    report = source.prepare()
    start = time.perf_counter()
    images = source.load()
    opened = time.perf_counter() - start
    rows = [measure(arguments.archive.name, images, arguments.rounds)]
    with tempfile.TemporaryDirectory(prefix="fewlab-") as folder:
        rows.append(measure("made up, 64x64", made_up(Path(folder), arguments.large), arguments.rounds))
    if arguments.json:
        print(json.dumps({"import (s)": report.seconds, "open again (s)": opened, "sets": rows}))
        return
    print(
        f"{report.read:,} images imported in {report.seconds:.1f} s (when that was done), opened again in"
        f" {opened * 1000:.0f} ms"
    )
    for name in rows[0]:
        print(
            f"{name:30}"
            + "".join(f"{value:>18}" if isinstance(value := row[name], str) else f"{value:18.2f}" for row in rows)
        )


if __name__ == "__main__":
    main()
