"""What candidate labels are worth: PRODEN beside "all candidates true" and the true labels, on the same draws.

    python -m benchmarks.partial_label [--rates 0.1 0.3 0.5 0.7] [--seeds 0 1 2] [--json]

Digits with the steps and batch of the preset `digits-proden`. Prints test accuracy (final averaged weights; mean and
every seed). The true labels are those of the same training images; what is held back for validation is the same too.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from typing import Any

from engine.config.overlay import apply_changes
from engine.config.run_config import RunConfig
from engine.lab.executors.inline import train
from engine.presets import PRESETS

PRESET = PRESETS["digits-proden"].config


def accuracy(method: str, labels: dict[str, Any], seed: int, checkpoints: str) -> float:
    plain = apply_changes(PRESET, {"seed": seed, "method.name": method})
    plain["data"] = {**plain["data"], "labels": labels}
    return train(RunConfig.parse(plain), checkpoints).status.metrics["test/accuracy"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rates", type=float, nargs="+", default=[0.1, 0.3, 0.5, 0.7])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    kinds: list[tuple[str, dict[str, Any]]] = [("supervised", {"kind": "all"})]
    kinds += [
        (method, {"kind": "partial", "rate": rate})
        for rate in arguments.rates
        for method in ("proden", "all_candidates")
    ]
    rows = []
    with tempfile.TemporaryDirectory() as checkpoints:
        for method, labels in kinds:
            found = [accuracy(method, labels, seed, checkpoints) for seed in arguments.seeds]
            rows.append({"method": method, "labels": labels, "mean": statistics.mean(found), "each": found})
            if not arguments.json:
                what = "true labels" if method == "supervised" else f"rate {labels['rate']}"
                print(
                    f"{what:12} {method:15} {100 * statistics.mean(found):5.1f} % "
                    f" ({' '.join(f'{100 * one:.1f}' for one in found)})",
                    flush=True,
                )
    if arguments.json:
        print(json.dumps(rows))


if __name__ == "__main__":
    main()
