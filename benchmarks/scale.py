"""What a large set costs where all of it is looked at: neighbors of an image, a map of a sample, the queue of Label.

    OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=1 python -m benchmarks.scale [--images 1000000] [--features 256] [--json]

The features are made up, of ten overlapping groups, and lie in a memory-mapped float32 file as those of a pretrained
network do. Times are of one run each, in the order of the table; memory is what the process holds of its own
(RssAnon), so without the mapped file, as it was at its highest within a step, looked at every 20 ms.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from benchmarks.memory_map import own_memory
from engine.analysis.labeling.label_head import Head, fit_head, unit_features
from engine.analysis.labeling.suggestions import Pool, Strategy, Suggestion, suggest
from engine.analysis.neighbors import nearest_neighbors
from engine.analysis.projection import ProjectionRequest, project
from engine.analysis.stratified import stratified

CLASSES, LABELS, QUEUE, NEAREST, POINTS = 10, 200, 50, 20, 5_000
_BLOCK = 10_000
T = TypeVar("T")


class Step(NamedTuple):
    """memory: the most that the process held of its own meanwhile, MB."""

    name: str
    seconds: float
    memory: float


def made_up(path: Path, images: int, features: int) -> NDArray[np.int64]:
    """Write features [images, features]; returns the group of each."""
    table = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(images, features))
    random = np.random.default_rng(0)
    middles = random.normal(size=(CLASSES, features)).astype(np.float32)
    groups = random.integers(0, CLASSES, images)
    for start in range(0, images, _BLOCK):
        block = groups[start : start + _BLOCK]
        table[start : start + _BLOCK] = middles[block] + 1.5 * random.standard_normal(
            (len(block), features), np.float32
        )
    table.flush()
    return groups


def measure(path: Path, groups: NDArray[np.int64]) -> Iterator[Step]:
    """Each step as a page takes it."""
    table: NDArray[np.float32] = np.load(path, mmap_mode="r", allow_pickle=False)
    images, everywhere = len(table), np.zeros(len(table), np.int64)
    _, step = timed(
        f"the {NEAREST} nearest of one image, exact, from the file",
        lambda: nearest_neighbors(table, NEAREST, rows=np.array([7])),
    )
    yield step
    rows, step = timed(
        f"a fixed draw of {POINTS:,} points",
        lambda: stratified(np.arange(images), everywhere, everywhere > 0, POINTS),
    )
    yield step
    yield timed("PCA of the draw", lambda: project([np.array(table[rows])], ProjectionRequest(method="pca")))[1]
    yield timed("UMAP of the draw, first", lambda: project([np.array(table[rows])], ProjectionRequest()))[1]
    pool, step = timed("Label: features read, centered, scaled", lambda: Pool(unit_features(table)))
    yield step
    labeled, free = np.arange(LABELS), np.arange(LABELS, images)

    def queue(head: Head | None, labeled: NDArray[np.int64], strategy: Strategy) -> list[Suggestion]:
        return suggest(pool, head, labeled, free, QUEUE, strategy, CLASSES)

    yield timed("Label: the first queue, before any label", lambda: queue(None, labeled[:0], "auto"))[1]
    head, step = timed(
        f"Label: a head learns {LABELS} labels and answers for all",
        lambda: fit_head(pool.features, labeled, groups[:LABELS], CLASSES),
    )
    yield step
    yield timed("Label: the next queue, spread", lambda: queue(head, labeled, "spread"))[1]
    yield timed("Label: the next queue, by margin", lambda: queue(head, labeled, "margin"))[1]
    yield timed("Label: more like this one", lambda: np.argpartition(-(pool.features @ pool.features[7]), NEAREST))[1]
    yield timed("Label: the map of all images", lambda: pool.plane)[1]


def timed(name: str, job: Callable[[], T]) -> tuple[T, Step]:
    highest, over = own_memory(), threading.Event()

    def watch() -> None:
        nonlocal highest
        while not over.wait(0.02):
            highest = max(highest, own_memory())

    watching = threading.Thread(target=watch)
    watching.start()
    began = time.perf_counter()
    try:
        result = job()
        seconds = time.perf_counter() - began
    finally:
        over.set()
        watching.join()
    return result, Step(name, seconds, max(highest, own_memory()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--features", type=int, default=256)
    parser.add_argument(
        "--folder", type=Path, help="Where the file is written; the system's temporary folder if left out."
    )
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    threads = os.environ.get("OMP_NUM_THREADS", "all")
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        path = Path(folder) / "features.npy"
        groups = made_up(path, given.images, given.features)
        about: dict[str, Any] = {"images": given.images, "features": given.features, "threads": threads, "load": load}
        if not given.json:
            megabytes = path.stat().st_size / 1e6
            print(
                f"{given.images:,} x {given.features}, {megabytes:,.0f} MB, threads: {threads}, load before {load:.1f}"
            )
        rows = []
        for step in measure(path, groups):
            rows.append(step._asdict())
            if not given.json:
                print(f"{step.name:58} {step.seconds:8.2f} s {step.memory:8,.0f} MB", flush=True)
    if given.json:
        print(json.dumps({**about, "rows": rows}))


if __name__ == "__main__":
    main()
