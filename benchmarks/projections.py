"""What a projection takes in the app: from the question to the answer, in the projecting process, figures of trust and
reading back included.

    python -m benchmarks.projections [--points 10000] [--features 128] [--frames 1] [--json]

The features are made up: ten groups of which some overlap. Each row is a question to `ProjectionQueue`, as the Space
page asks it; "computing" is what the process itself says it needed, the rest is the snapshot, the pipe and the file.
"First" is the first question to a new process: its start, and for UMAP the compilation, are included. Times are of one
run each: UMAP's first call cannot be repeated in a process, and the others take long.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from engine.analysis.projection import ProjectionRequest
from engine.cores import usable_cores
from engine.lab.projections.projection_inputs import Sample
from engine.lab.projections.projection_queue import ProjectionQueue
from engine.runs.folder import RunFolder
from engine.runs.stored_images import store_images

GOALS = {"PCA": 0.5, "UMAP, first": 30.0, "UMAP, later": 15.0, "UMAP, later, seeded": 32.0, "from the cache": 0.5}
FIRST_UMAP: dict[str, Any] = {"method": "umap"}
PROCESSES: tuple[tuple[tuple[str, dict[str, Any]], ...], ...] = (
    (("PCA, first", {"method": "pca"}), ("PCA", {"method": "pca", "metric": "euclidean"})),
    (
        ("UMAP, first", FIRST_UMAP),
        ("UMAP, later", {"method": "umap", "min_dist": 0.2}),
        (
            "UMAP, first seeded",
            {"method": "umap", "seed": 0},
        ),  # another program than the unseeded one, compiled on its own
        ("UMAP, later, seeded", {"method": "umap", "seed": 1}),
        ("t-SNE", {"method": "tsne"}),
        ("t-SNE, seeded", {"method": "tsne", "seed": 0}),
    ),
)


def made_up(root: Path, points: int, features: int, frames: int) -> tuple[RunFolder, list[int]]:
    """A run whose snapshots hold groups that come apart from frame to frame."""
    rng = np.random.default_rng(0)
    folder = RunFolder(root / "20260101-000000-made-up-0000")
    folder.path.mkdir(parents=True)
    ids, labels = np.arange(points), rng.integers(0, 10, points)
    store_images(
        root, "made-up", rng.integers(0, 256, (points, 1, 8, 8), dtype=np.uint8), labels, ids, tuple("0123456789")
    )
    folder.add_event("start", 0, images="made-up")
    part = rng.integers(0, 4, points).astype(np.uint8)
    centers, noise = (
        rng.normal(size=(10, features)) * rng.uniform(0.3, 1.0, (10, 1)),
        rng.normal(size=(points, features)),
    )
    for frame in range(frames):
        apart = (frame + 1) / frames
        folder.write_snapshot(
            frame, {"ids": ids, "part": part, "embeddings": (apart * centers[labels] + noise).astype(np.float16)}
        )
    return folder, list(range(frames))


def measure(points: int, features: int, frames: int) -> Iterator[dict[str, Any]]:
    """A row for each question: seconds from asking to having the answer, and what the process needed of that."""
    with tempfile.TemporaryDirectory(prefix="fewlab-") as place:
        folder, steps = made_up(Path(place).resolve() / "checkpoints", points, features, frames)
        sample = Sample(limit=points)
        for questions in PROCESSES:
            projector = ProjectionQueue(folder.path.parent)
            for name, request in questions:
                start = time.perf_counter()
                found = projector.ask(
                    folder.path, "embeddings", ProjectionRequest.parse(request), steps, sample
                ).result()
                seconds, trust = (
                    time.perf_counter() - start,
                    {"trustworthiness": float(found.trustworthiness[-1]), "purity": float(found.purity[-1])},
                )
                yield {"name": name, "seconds": seconds, "computing": found.seconds, "goal": GOALS.get(name), **trust}
            projector.close()
        start = time.perf_counter()
        ProjectionQueue(folder.path.parent).ask(
            folder.path, "embeddings", ProjectionRequest.parse(FIRST_UMAP), steps, sample
        ).result(0)
        yield {
            "name": "from the cache",
            "seconds": time.perf_counter() - start,
            "computing": None,
            "goal": GOALS["from the cache"],
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=10_000)
    parser.add_argument("--features", type=int, default=128)
    parser.add_argument("--frames", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    if not given.json:
        print(
            f"{given.points:,} points x {given.features} features, {given.frames} frame(s), {usable_cores()} cores,"
            f" load before {load:.1f}"
        )
        print(f"{'':22} {'seconds':>9} {'computing':>10} {'goal':>6}   trust  purity")
    rows = []
    for row in measure(given.points, given.features, given.frames):
        rows.append(row)
        if not given.json:
            computing, goal = (f"{row[name]:.2f}" if row[name] is not None else "-" for name in ("computing", "goal"))
            trust = f"{row['trustworthiness']:7.3f} {row['purity']:7.3f}" if "purity" in row else ""
            print(f"{row['name']:22} {row['seconds']:9.2f} {computing:>10} {goal:>6} {trust}", flush=True)
    if given.json:
        print(
            json.dumps(
                {
                    "points": given.points,
                    "features": given.features,
                    "frames": given.frames,
                    "cores": usable_cores(),
                    "load": load,
                    "rows": rows,
                }
            )
        )


if __name__ == "__main__":
    main()
