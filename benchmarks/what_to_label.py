"""What choosing the images to label is worth: accuracy on held-out photos by number of labels, for images that the
strategies of the Label page choose one batch at a time, and for random ones.

    python -m benchmarks.what_to_label ARCHIVE [ARCHIVE ...] [--size 224] [--labelings 5] [--most 20] [--json]

Each archive has one folder per class. A labeling is one person's: every time another random four fifths of the training
photos are there to be labeled. Labels come in batches, by default of as many as there are classes; after each the head
of the Label page learns again and is measured on all test photos. "labels needed": the first number of labels at which
a strategy's mean accuracy reaches what random images reach after 5 and after 10 batches.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.analysis.labeling.label_head import fit_head, unit_features
from engine.analysis.labeling.suggestions import Pool, Strategy, suggest
from engine.data.sets.folder import Folder
from engine.lab.messages import ComputeFeatures
from engine.lab.workers.data_requests import compute_features

STRATEGIES: tuple[Strategy, ...] = ("random", "typical", "spread", "margin", "auto")
BACKBONE = {"name": "efficientnet_lite", "init": "pretrained"}
Ints = NDArray[np.int64]
Curves = dict[str, NDArray[np.float64]]


def measured(archive: Path, size: int, labelings: int, most: int, batch: int) -> tuple[int, Curves]:
    """Labels in a batch, and accuracies [labelings, batches] of each strategy."""
    data = {"name": "folder", "path": str(archive), "size": size, "fit": "squash"}
    source = Folder(Folder.Params.parse(data))
    source.prepare()
    images = source.load()
    with tempfile.TemporaryDirectory() as folder:
        file = compute_features(ComputeFeatures(data, source.key(), BACKBONE, folder, f"{folder}/progress.json"))
    features = unit_features(np.load(file.path, mmap_mode="r"))
    training, test = np.flatnonzero(~images.is_test & (images.labels >= 0)), np.flatnonzero(images.is_test)
    curves: dict[str, list[list[float]]] = {strategy: [] for strategy in STRATEGIES}
    for seed in range(labelings):
        there = np.sort(np.random.default_rng(seed).permutation(training)[: round(0.8 * len(training))])
        pool = Pool(features[there])
        for strategy in STRATEGIES:
            curves[strategy].append(
                _labeling(
                    pool,
                    images.labels[there],
                    features[test],
                    images.labels[test],
                    strategy,
                    seed,
                    most,
                    batch or images.classes,
                )
            )
    return batch or images.classes, {strategy: np.array(rows) for strategy, rows in curves.items()}


def _labeling(
    pool: Pool, labels: Ints, test: Any, truth: Ints, strategy: Strategy, seed: int, most: int, batch: int
) -> list[float]:
    classes = int(labels.max()) + 1
    chance = np.random.default_rng(1000 + seed)
    labeled = np.empty(0, np.int64)
    accuracies = []
    every = np.concatenate([pool.features, test])
    head = None
    for _ in range(most):
        free = np.setdiff1d(np.arange(len(labels)), labeled)
        if strategy == "random":
            chosen = chance.permutation(free)[:batch]
        else:
            chosen = np.array([one.row for one in suggest(pool, head, labeled, free, batch, strategy, classes)])
        labeled = np.concatenate([labeled, chosen])
        head = fit_head(every, labeled, labels[labeled], classes)
        accuracies.append(float((head.predictions[len(labels) :] == truth).mean()))
        head = replace(head, probabilities=head.probabilities[: len(labels)])
    return accuracies


def table(labels: int, curves: Curves) -> list[str]:
    """labels: in a batch."""
    at = [batch for batch in (1, 2, 5, 10, 20) if batch <= curves["random"].shape[1]]
    lines = ["strategy   " + "".join(f"{batch * labels:>6} labels  " for batch in at) + "labels needed"]
    targets = [curves["random"].mean(0)[batch - 1] for batch in (5, 10) if batch <= curves["random"].shape[1]]
    for strategy, rows in curves.items():
        needed = []
        for target in targets:
            there = np.flatnonzero(rows.mean(0) >= target)
            needed.append(str((there[0] + 1) * labels) if len(there) else "more")
        figures = "".join(f"{100 * rows[:, b - 1].mean():>6.1f} ± {100 * rows[:, b - 1].std(ddof=1):>4.1f}" for b in at)
        lines.append(f"{strategy:<10} {figures}  {' and '.join(needed)}")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archives", type=Path, nargs="+")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--labelings", type=int, default=5)
    parser.add_argument("--most", type=int, default=20, help="batches of labels")
    parser.add_argument("--batch", type=int, default=0, help="labels in a batch; 0: as many as there are classes")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    found = {}
    for archive in arguments.archives:
        batch, curves = measured(archive, arguments.size, arguments.labelings, arguments.most, arguments.batch)
        found[archive.name] = {strategy: rows.tolist() for strategy, rows in curves.items()}
        if not arguments.json:
            print(f"{archive.name}, {arguments.labelings} labelings", *table(batch, curves), sep="\n")
    if arguments.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
