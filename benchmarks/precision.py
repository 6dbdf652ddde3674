"""What bfloat16 inside the network costs and brings on this machine: presets in both precisions, seed by seed in turn.

    python -m benchmarks.precision [--presets digits-fixmatch fashion-fixmatch] [--data FOLDER] [--seeds 0 1 2]
    [--threads 0] [--steps 0] [--json]

FOLDER holds `torchvision/FashionMNIST/raw` for the preset on Fashion-MNIST. Prints test accuracy and the seconds of the
training alone. Both runs of a seed are on the same labels and batches.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

from engine.config.run_config import RunConfig
from engine.lab.executors.inline import train
from engine.presets import PRESETS

PRECISIONS = ("float32", "bfloat16")


def pair(preset: str, seed: int, data: Path | None, threads: int, steps: int, checkpoints: str) -> dict[str, Any]:
    config = RunConfig.parse({**PRESETS[preset].config, "seed": seed})
    row: dict[str, Any] = {"preset": preset, "seed": seed}
    for precision in PRECISIONS:
        changes: dict[str, Any] = {"hardware.precision": precision, "hardware.threads": threads}
        if steps:
            changes["budget.steps"] = steps
        if data is not None and config.data.name == "fashion_mnist":
            changes["data.root"] = str(data / "torchvision")
        status = train(config.with_changes(changes), checkpoints).status
        row[f"{precision}/accuracy"] = status.metrics["test/accuracy"]
        row[f"{precision}/seconds"] = status.seconds
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", nargs="+", default=["digits-fixmatch", "fashion-fixmatch"])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--steps", type=int, default=0, help="0: as many as the preset has")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as checkpoints:
        for preset in arguments.presets:
            for seed in arguments.seeds:
                rows.append(pair(preset, seed, arguments.data, arguments.threads, arguments.steps, checkpoints))
                row = rows[-1]
                print(
                    json.dumps(row)
                    if arguments.json
                    else f"{preset} seed {seed}: "
                    + ", ".join(
                        f"{name} {row[f'{name}/accuracy']:.1%} in {row[f'{name}/seconds']:.1f} s" for name in PRECISIONS
                    ),
                    flush=True,
                )
            mine = [row for row in rows if row["preset"] == preset]
            if not arguments.json:
                change = [row["bfloat16/accuracy"] - row["float32/accuracy"] for row in mine]
                faster = [row["float32/seconds"] / row["bfloat16/seconds"] for row in mine]
                print(
                    f"{preset}: accuracy {100 * statistics.mean(change):+.1f} points ({min(change):+.1%} to"
                    f" {max(change):+.1%}), {statistics.median(faster):.2f} times the speed"
                )


if __name__ == "__main__":
    main()
