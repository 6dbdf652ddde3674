"""Where a well-kept library does the same: its time over FewLab's, both in one process, in turns.

    python -m benchmarks.libraries [--points 10000] [--files 5000] [--rounds 3] [--json]

Nearest neighbors and label spreading of made-up features against scikit-learn and faiss, t-SNE against openTSNE on its
own, and the import of small JPEG files against torchvision's ImageFolder with two workers. A ratio of 1 or more means
that FewLab is not slower.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from engine.analysis.neighbors import nearest_neighbors
from engine.analysis.projection import ProjectionRequest, project
from engine.analysis.trust import trustworthiness
from engine.cores import usable_cores
from engine.data.sets.folder import Folder
from engine.methods.base.context import StepContext, TaskSpec
from engine.methods.base.method import PoolData
from engine.methods.graph.label_spreading import LabelSpreading

Action = Callable[[], Any]
FEATURES, CLASSES, NEIGHBORS_ASKED = 128, 10, 15


def made_up(points: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Overlapping groups of features [N, D], and the group of each."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, CLASSES, points)
    centers = rng.normal(size=(CLASSES, FEATURES)) * 0.35
    return (centers[labels] + rng.normal(size=(points, FEATURES))).astype(np.float32), labels


def spread(features: NDArray[np.float32], labels: NDArray[np.int64]) -> Any:
    class Frozen(nn.Module):
        feature_size = FEATURES

    params = LabelSpreading.Params()
    method = LabelSpreading(params, Frozen(), TaskSpec(CLASSES, 1, 8, {"all": len(features)}, 64))  # type: ignore[arg-type]
    method.prepare(PoolData(torch.as_tensor(features), torch.as_tensor(labels), torch.arange(len(features))))
    step = 0
    while not method.iterate(StepContext(0, step, 2000, logged=False)).converged:
        step += 1
    return method.class_probabilities()


def comparisons(points: int, files: int, place: Path) -> dict[str, tuple[Action, dict[str, Action]]]:
    """By name: what FewLab does, and what libraries do."""
    import faiss
    from openTSNE import TSNE
    from sklearn.neighbors import NearestNeighbors
    from sklearn.semi_supervised import LabelSpreading as TheirSpreading
    from torch.utils.data import DataLoader
    from torchvision import transforms
    from torchvision.datasets import ImageFolder

    features, groups = made_up(points)
    known = np.full(points, -1)
    few = np.concatenate([np.flatnonzero(groups == k)[:5] for k in range(CLASSES)])
    known[few] = groups[few]

    def faiss_neighbors() -> Any:
        index = faiss.IndexFlatL2(FEATURES)
        index.add(features)
        return index.search(features, NEIGHBORS_ASKED + 1)

    def import_folder() -> Any:
        with tempfile.TemporaryDirectory(dir=place) as cache:
            os.environ["FEWLAB_CACHE"] = cache
            source = Folder(Folder.Params(path=str(place / "photos"), size=32))
            source.prepare()
            return source.load().images.shape

    def image_folder() -> Any:
        steps = [transforms.Resize(32), transforms.CenterCrop(32), transforms.PILToTensor()]
        data = ImageFolder(str(place / "photos"), transforms.Compose(steps))
        return sum(len(images) for images, _ in DataLoader(data, batch_size=64, num_workers=2))

    draw_photos(place / "photos", files)
    euclidean = {"n_neighbors": NEIGHBORS_ASKED, "algorithm": "brute"}
    return {
        f"neighbors, {points:,} x {FEATURES}, k = {NEIGHBORS_ASKED}": (
            lambda: nearest_neighbors(features, NEIGHBORS_ASKED, "euclidean"),
            {
                "scikit-learn": lambda: NearestNeighbors(**euclidean, n_jobs=usable_cores()).fit(features).kneighbors(),
                "faiss": faiss_neighbors,
            },
        ),
        f"label spreading, {points:,} x {FEATURES}, 7 neighbors, alpha .99": (
            lambda: spread(features, known),
            {
                "scikit-learn, to 1e-3": lambda: TheirSpreading(
                    kernel="knn", n_neighbors=7, alpha=0.99, max_iter=20_000, n_jobs=usable_cores()
                ).fit(features, known)
            },
        ),
        f"t-SNE, {points:,} x {FEATURES}": (
            lambda: project([features], ProjectionRequest(method="tsne", metric="euclidean")),
            {"openTSNE": lambda: TSNE(n_jobs=usable_cores(), initialization="pca").fit(features)},
        ),
        f"import of {files:,} JPEG files": (import_folder, {"ImageFolder, 2 workers": image_folder}),
    }


def draw_photos(root: Path, files: int) -> None:
    """Small JPEG files in ten class folders."""
    rng = np.random.default_rng(0)
    for number in range(files):
        small = Image.fromarray(rng.integers(0, 256, (12, 12, 3), dtype=np.uint8))
        folder = root / f"class {number % 10}"
        folder.mkdir(parents=True, exist_ok=True)
        small.resize((72, 64), Image.Resampling.BICUBIC).save(folder / f"{number:06}.jpg", quality=88)


def seconds(action: Action) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=10_000)
    parser.add_argument("--files", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")  # of libraries that did not converge in their own number of rounds
    with tempfile.TemporaryDirectory(prefix="fewlab-") as place:
        for name, (ours, theirs) in comparisons(arguments.points, arguments.files, Path(place)).items():
            if not name.startswith("t-SNE"):
                ours()  # what is loaded once is loaded for both
            mine: list[float] = []
            others: dict[str, list[float]] = {library: [] for library in theirs}
            for _ in range(1 if name.startswith("t-SNE") else arguments.rounds):
                mine.append(seconds(ours))
                for library, action in theirs.items():
                    others[library].append(seconds(action))
            own = statistics.median(mine)
            row = {library: statistics.median(times) / own for library, times in others.items()}
            if arguments.json:
                print(json.dumps({"name": name, "seconds": own, "ratios": row}), flush=True)
            else:
                said = ", ".join(f"{library} {ratio:.2f} times" for library, ratio in row.items())
                print(f"{name}: {own:.2f} s; {said}", flush=True)
    if not arguments.json:
        features, _ = made_up(arguments.points)
        for method in ("tsne", "pacmap"):
            start = time.perf_counter()
            (layout,) = project([features], ProjectionRequest.parse({"method": method, "metric": "euclidean"}))
            took = time.perf_counter() - start
            trust = trustworthiness(features, layout, "euclidean")
            print(f"{method}: {took:.1f} s, trustworthiness {trust:.3f}", flush=True)


if __name__ == "__main__":
    main()
