"""What features learned without labels are worth on digits: nearest neighbor by cosine, given 1 or 5 labels per class,
and a linear probe of all labels.

    python -m benchmarks.self_supervised [--presets digits-simclr digits-byol ...] [--seeds 0 1 2] [--json]

Without `--presets`, every preset on digits of a method that learns without labels. Each seed is one training, of one
thread, two at once; each accuracy of few labels is the mean over five fixed draws of labels, on the test images. The
same draws are given to the raw pixels, to the network's first weights and at the end, on the split of each seed, to
EfficientNet-Lite0 with its ImageNet weights, so the differences are paired.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks.methods import presets_of
from engine.config.overlay import apply_changes
from engine.config.run_config import RunConfig
from engine.presets import PRESETS

GOALS = {1: 0.12, 5: 0.04}
"""Labels per class, and the points by which SimCLR's features must be ahead of both baselines."""
KINDS = {"trained": "", "raw pixels": "/pixels", "first weights": "/first_weights"}
"""Of features, and what the names of their probes' metrics end in."""


PROBES = (*(f"knn_{per_class}_per_class" for per_class in GOALS), "linear_full")
IMAGENET = {"name": "efficientnet_lite", "init": "pretrained"}


def accuracies(metrics: Mapping[str, float], probe: str) -> dict[str, float]:
    """Of each kind of features on the test images."""
    return {words: metrics[f"test/{probe}{of}"] for words, of in KINDS.items()}


def lead(metrics: Mapping[str, float], per_class: int) -> float:
    """By how much the trained features are ahead of the better baseline; negative if behind."""
    found = accuracies(metrics, f"knn_{per_class}_per_class")
    return found.pop("trained") - max(found.values())


def config_of(preset: str, seed: int) -> RunConfig:
    changes = {"seed": seed, "hardware.device": "cpu", "hardware.threads": 1}
    return RunConfig.parse(apply_changes(PRESETS[preset].config, changes))


def trained(preset: str, seed: int) -> tuple[dict[str, float], float]:
    """The final metrics of a run, and the seconds it took."""
    import torch

    from engine.lab.executors.inline import train

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as checkpoints:
        status = train(config_of(preset, seed), Path(checkpoints)).status
    return dict(status.metrics), status.seconds


def on_imagenet_features(config: RunConfig) -> dict[str, float]:
    """The probes' metrics for features of EfficientNet-Lite0 with its ImageNet weights, on this run's images, split and
    draws of labels.
    """
    import numpy as np

    from engine.data.split import make_split
    from engine.id_positions import positions_of
    from engine.training.assemble import load_images
    from engine.training.evaluation.pretrained_features import feature_file
    from engine.training.evaluation.probes import ProbeSuite

    images = load_images(config)
    split = make_split(images, config.data)
    parts = ("labeled", "unlabeled", "validation", "test")
    positions = {part: positions_of(getattr(split, part), images.ids) for part in parts}
    with tempfile.TemporaryDirectory() as checkpoints:
        table = np.load(feature_file(images, IMAGENET, Path(checkpoints), lambda done, total: None))
    probes = ProbeSuite(images, positions)
    metrics = probes.neighbors({part: table[at] for part, at in positions.items()}, positions)
    return metrics | probes.linear(lambda at: table[at]).metrics


def rows_of(preset: str, runs: list[tuple[dict[str, float], float]]) -> list[dict[str, Any]]:
    """One for each probe and kind of features."""
    rows: list[dict[str, Any]] = []
    for probe in PROBES:
        found = [accuracies(metrics, probe) for metrics, _ in runs]
        for words in KINDS:
            values = [each[words] for each in found]
            ahead = [each["trained"] - each[words] for each in found]
            rows.append(
                {
                    "preset": preset,
                    "probe": probe,
                    "features": words,
                    "mean": statistics.mean(values),
                    "each": values,
                    "ahead": statistics.mean(ahead),
                    "each ahead": ahead,
                    "seconds": [seconds for _, seconds in runs],
                }
            )
    return rows


def percents(values: list[float]) -> str:
    return " ".join(f"{100 * value:.1f}" for value in values)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", nargs="+", default=presets_of("self_supervised"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows: list[dict[str, Any]] = []
    pool = ProcessPoolExecutor(2, get_context("spawn"))
    asked = {preset: [pool.submit(trained, preset, seed) for seed in arguments.seeds] for preset in arguments.presets}
    for preset, futures in asked.items():
        rows += rows_of(preset, [future.result() for future in futures])
        if not arguments.json:
            last = rows[-3 * len(KINDS) :]
            print(f"{preset}, seconds {' '.join(f'{value:.0f}' for value in last[0]['seconds'])}")
            for row in last:
                words = "" if row["features"] == "trained" else f"   trained ahead by {100 * row['ahead']:.1f}"
                words += f" ({percents(row['each ahead'])})" if words else ""
                each = percents(row["each"])
                print(
                    f"  {row['probe']:15} {row['features']:14} {100 * row['mean']:5.1f} %  ({each}){words}", flush=True
                )
    pool.shutdown()
    images = [on_imagenet_features(config_of(arguments.presets[0], seed)) for seed in arguments.seeds]
    for probe in PROBES:
        values = [metrics[f"test/{probe}"] for metrics in images]
        rows.append(
            {"preset": None, "probe": probe, "features": "ImageNet", "mean": statistics.mean(values), "each": values}
        )
        if not arguments.json:
            print(f"  {probe:15} {'ImageNet':14} {100 * statistics.mean(values):5.1f} %  ({percents(values)})")
    if arguments.json:
        print(json.dumps(rows))


if __name__ == "__main__":
    main()
