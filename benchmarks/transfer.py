"""What features learned without labels are worth to FixMatch: SimCLR then FixMatch, against FixMatch alone, on the same
labels and steps.

    python -m benchmarks.transfer [--per-class 1] [--draws 10] [--json]

Digits, the presets `digits-simclr` and `digits-fixmatch`. Draw n is seed n of everything: the labels, the first
weights, both trainings. Prints test accuracy (final averaged weights) and the mean of the paired differences with its
95 % interval (Student's t).
"""

from __future__ import annotations

import argparse
import json
import tempfile
from typing import Any

import numpy as np
from scipy import stats

from engine.config.run_config import RunConfig
from engine.lab.executors.inline import train
from engine.presets import PRESETS


def pair(seed: int, per_class: int, checkpoints: str) -> tuple[float, float]:
    """Test accuracy of FixMatch alone, and from SimCLR's features."""
    same: dict[str, Any] = {"seed": seed, "data.split_seed": seed}
    features = train(RunConfig.parse(PRESETS["digits-simclr"].config).with_changes(same), checkpoints)
    config = RunConfig.parse(PRESETS["digits-fixmatch"].config).with_changes(
        {**same, "data.labels.per_class": per_class}
    )
    alone = train(config, checkpoints)
    after = train(config.with_changes({"backbone.init": f"run:{features.id}"}), checkpoints)
    return alone.status.metrics["test/accuracy"], after.status.metrics["test/accuracy"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--per-class", type=int, default=1)
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    found: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory() as checkpoints:
        for seed in range(arguments.first, arguments.first + arguments.draws):
            found.append(pair(seed, arguments.per_class, checkpoints))
            if not arguments.json:
                print(
                    f"seed {seed}: FixMatch alone {100 * found[-1][0]:.1f} %, after SimCLR {100 * found[-1][1]:.1f} %",
                    flush=True,
                )
    alone, after = np.array(found).T
    ahead = after - alone
    low, high = (
        stats.t.interval(0.95, len(ahead) - 1, ahead.mean(), stats.sem(ahead)) if len(ahead) > 1 else (np.nan, np.nan)
    )
    if arguments.json:
        print(
            json.dumps(
                {"alone": alone.tolist(), "after": after.tolist(), "mean": ahead.mean(), "interval": [low, high]}
            )
        )
    else:
        print(f"means: alone {100 * alone.mean():.1f} %, after SimCLR {100 * after.mean():.1f} %")
        print(f"difference {100 * ahead.mean():+.1f} points, 95 % interval {100 * low:+.1f} to {100 * high:+.1f}")


if __name__ == "__main__":
    main()
