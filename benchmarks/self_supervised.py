"""What features learned without labels are worth on digits: nearest neighbor by cosine, given 1 or 5 labels per class,
and a linear probe of all labels.

    python -m benchmarks.self_supervised [--presets digits-simclr digits-byol ...] [--seeds 0 1 2] [--json]

Without `--presets`, every preset on digits of a method that learns without labels. Each seed is one training; each
accuracy of few labels is the mean over five fixed draws of labels, on the test images. The same draws are given to the
raw pixels and to the network's first weights, so the differences are paired.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.methods import presets_of
from engine.config.overlay import apply_changes
from engine.config.run_config import RunConfig
from engine.lab.executors.inline import train
from engine.presets import PRESETS
from engine.runs.store import Run

GOALS = {1: 0.12, 5: 0.04}
"""Labels per class, and the points by which SimCLR's features must be ahead of both baselines."""
KINDS = {"trained": "", "raw pixels": "/pixels", "first weights": "/first_weights"}
"""Of features, and what the names of their probes' metrics end in."""


def accuracies(run: Run, probe: str) -> dict[str, float]:
    """Of each kind of features on the test images."""
    return {words: run.status.metrics[f"test/{probe}{of}"] for words, of in KINDS.items()}


def lead(run: Run, per_class: int) -> float:
    """By how much the trained features are ahead of the better baseline; negative if behind."""
    found = accuracies(run, f"knn_{per_class}_per_class")
    return found.pop("trained") - max(found.values())


def rows_of(preset: str, runs: list[Run]) -> list[dict[str, Any]]:
    """One for each probe and kind of features."""
    rows: list[dict[str, Any]] = []
    for probe in [*(f"knn_{per_class}_per_class" for per_class in GOALS), "linear_full"]:
        found = [accuracies(run, probe) for run in runs]
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
                    "seconds": [run.status.seconds for run in runs],
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
    for preset in arguments.presets:
        with tempfile.TemporaryDirectory() as checkpoints:
            plain = [apply_changes(PRESETS[preset].config, {"seed": seed}) for seed in arguments.seeds]
            rows += rows_of(preset, [train(RunConfig.parse(config), Path(checkpoints)) for config in plain])
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
    if arguments.json:
        print(json.dumps(rows))


if __name__ == "__main__":
    main()
