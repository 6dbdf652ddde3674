"""What features learned without labels are worth on digits: nearest neighbor by cosine, given 1 or 5 labels per class.

    python -m benchmarks.self_supervised [--preset digits-simclr] [--seeds 0 1 2] [--json]

Each seed is one training; each accuracy is the mean over five fixed draws of labels, on the test images. The same
draws are given to the raw pixels and to the network's first weights, so the differences are paired.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from typing import Any

from engine.config.run_config import RunConfig
from engine.lab.executors.inline import train
from engine.presets import PRESETS
from engine.runs.store import Run

GOALS = {1: 0.12, 5: 0.04}
"""Labels per class, and the points by which the trained features must be ahead of both baselines."""
BASELINES = {"raw pixels": "/pixels", "first weights": "/first_weights"}


def accuracies(run: Run, per_class: int) -> dict[str, float]:
    """Accuracy of the trained features and of each baseline."""
    metrics, name = run.status.metrics, f"test/knn_{per_class}_per_class"
    return {"trained": metrics[name], **{words: metrics[name + of] for words, of in BASELINES.items()}}


def lead(run: Run, per_class: int) -> float:
    """By how much the trained features are ahead of the better baseline; negative if behind."""
    found = accuracies(run, per_class)
    return found["trained"] - max(found[words] for words in BASELINES)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="digits-simclr")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as checkpoints:
        runs = [
            train(
                RunConfig.parse(PRESETS[arguments.preset].config).with_changes({"seed": seed, "data.split_seed": seed}),
                checkpoints,
            )
            for seed in arguments.seeds
        ]
    rows: list[dict[str, Any]] = []
    for per_class, goal in GOALS.items():
        found = [accuracies(run, per_class) for run in runs]
        for words in found[0]:
            values = [each[words] for each in found]
            ahead = [each["trained"] - each[words] for each in found]
            rows.append(
                {
                    "labels per class": per_class,
                    "features": words,
                    "mean": statistics.mean(values),
                    "each": values,
                    "ahead": statistics.mean(ahead),
                    "each ahead": ahead,
                }
            )
        if not arguments.json:
            print(
                f"1-NN (cosine), {per_class} labels per class, {len(runs)} seeds x 5 draws; goal: {100 * goal:.0f}"
                " points ahead of both"
            )
            for row in rows[-len(found[0]) :]:
                each = " ".join(f"{100 * value:.1f}" for value in row["each"])
                words = (
                    ""
                    if row["features"] == "trained"
                    else (
                        f"   trained ahead by {100 * row['ahead']:.1f}"
                        f" ({' '.join(f'{100 * value:.1f}' for value in row['each ahead'])})"
                    )
                )
                print(f"  {row['features']:14} {100 * row['mean']:5.1f}  ({each}){words}")
    seconds = [run.status.seconds for run in runs]
    full = [run.status.metrics["test/accuracy"] for run in runs]
    if arguments.json:
        print(json.dumps({"rows": rows, "seconds": seconds, "linear_full": full}))
    else:
        print(
            f"linear probe, all labels: {100 * statistics.mean(full):.1f} %; seconds per run:"
            f" {' '.join(f'{value:.0f}' for value in seconds)}"
        )


if __name__ == "__main__":
    main()
