"""What a handful of labels is worth: presets over label budgets and seeds, each run a process of its own on the command
line.

python -m benchmarks.few_labels [--presets digits-supervised digits-fixmatch] [--labels 1 2 4] [--seeds 0 1 2 3 4]
[--set data.path=PHOTOS] [--json]

Prints test accuracy (final averaged weights; mean, spread and every seed) and the wall time of the whole command,
imports included.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def run(preset: str, labels: int | None, seed: int, more: list[str], checkpoints: str) -> dict[str, float]:
    changes = [f"--set={change}" for change in more]
    changes += [f"--set=data.labels.per_class={labels}"] if labels else []
    start = time.perf_counter()
    command = [
        sys.executable,
        "-m",
        "engine",
        "train",
        "--preset",
        preset,
        *changes,
        "--seed",
        str(seed),
        "--checkpoints",
        checkpoints,
        "--json",
    ]
    out = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    wall = time.perf_counter() - start
    answer = json.loads(out.stdout.splitlines()[-1])
    return {"accuracy": answer["metrics"]["test/accuracy"], "training": answer["seconds"], "wall": wall}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", nargs="+", default=["digits-supervised", "digits-fixmatch"])
    parser.add_argument(
        "--labels", type=int, nargs="+", default=[1, 2, 4], help="labels per class; 0: as the preset says"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--set", nargs="*", default=[], help="changes to every config, such as data.path=PHOTOS")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as checkpoints:
        for labels in arguments.labels:
            for preset in arguments.presets:
                results = [run(preset, labels or None, seed, arguments.set, checkpoints) for seed in arguments.seeds]
                accuracies = [result["accuracy"] for result in results]
                row = {
                    "preset": preset,
                    "labels per class": labels or "preset",
                    "mean": statistics.mean(accuracies),
                    "spread": statistics.stdev(accuracies) if len(accuracies) > 1 else 0.0,
                    "each": accuracies,
                    "training (s)": statistics.median(result["training"] for result in results),
                    "wall (s)": statistics.median(result["wall"] for result in results),
                    "slowest wall (s)": max(result["wall"] for result in results),
                }
                rows.append(row)
                if not arguments.json:
                    each = " ".join(f"{100 * accuracy:.1f}" for accuracy in accuracies)
                    print(
                        f"{row['labels per class']} per class  {preset:20} {100 * row['mean']:5.1f} % ±"
                        f" {100 * row['spread']:.1f}  ({each})  training {row['training (s)']:.1f} s, wall"
                        f" {row['wall (s)']:.1f} s (slowest {row['slowest wall (s)']:.1f})",
                        flush=True,
                    )
    if arguments.json:
        print(json.dumps(rows))


if __name__ == "__main__":
    main()
