"""What candidate labels are worth: methods for them beside "all candidates true" and true labels, on the same draws.

    python -m benchmarks.partial_label [--methods proden ...] [--rates 0.1 0.3 0.5 0.7] [--seeds 0 1 2]
        [--set KEY=VALUE ...] [--json]

Digits with the preset `digits-METHOD` of each, all with the steps and the batch of `digits-proden`; what has no preset
takes that one's. `--set` changes all of them alike, such as the images (data.name=fashion_mnist). One thread each, two
at once. Prints test accuracy (final averaged weights; mean and every seed). The
true labels are those of the same training images; what is held back for validation is the same too.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

from engine.config.overlay import apply_changes
from engine.config.run_config import RunConfig
from engine.presets import PRESETS
from engine.terminal import assignment

BASE = PRESETS["digits-proden"].config
FAMILY = ("proden", "rc", "cc", "lws", "pico", "all_candidates")


def config_of(method: str, labels: dict[str, Any], seed: int, more: dict[str, Any]) -> RunConfig:
    preset = PRESETS.get(f"digits-{method}")
    plain = dict(preset.config) if preset is not None else apply_changes(BASE, {"method.name": method})
    plain["data"], plain["budget"] = BASE["data"], BASE["budget"]
    # As a change: other images come without the labels that were asked of those before.
    changes = {"seed": seed, "hardware.device": "cpu", "hardware.threads": 1, **more, "data.labels": labels}
    return RunConfig.parse(apply_changes(plain, changes))


def accuracy(method: str, labels: dict[str, Any], seed: int, more: dict[str, Any]) -> float:
    import torch

    from engine.lab.executors.inline import train

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as checkpoints:
        return train(config_of(method, labels, seed, more), checkpoints).status.metrics["test/accuracy"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", default=list(FAMILY))
    parser.add_argument("--rates", type=float, nargs="+", default=[0.1, 0.3, 0.5, 0.7])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--set", nargs="*", default=[], help="changes to every config, such as data.name=fashion_mnist")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    more = dict(map(assignment, arguments.set))
    kinds: list[tuple[str, dict[str, Any]]] = [("supervised", {"kind": "all"})]
    kinds += [(method, {"kind": "partial", "rate": rate}) for rate in arguments.rates for method in arguments.methods]
    rows = []
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        for method, labels in kinds:
            asked = [pool.submit(accuracy, method, labels, seed, more) for seed in arguments.seeds]
            found = [one.result() for one in asked]
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
