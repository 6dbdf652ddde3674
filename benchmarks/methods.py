"""Every method of a family on handwritten digits: the same labels, network, steps and view budget for all.

    python -m benchmarks.methods semi_supervised [--labels 1 2 4] [--seeds 0 1 2 3 4] [--part test]
        [--set KEY=VALUE ...] [--json]

Each preset `digits-...` of the family's methods is trained in a process of its own, one thread each, two at once. All
semi-supervised methods have 1,000 steps and two unlabeled images for each labeled one; what else their presets say was
chosen on validation images of seeds 10 and above. `--set` changes all of them alike, such as the images
(data.name=fashion_mnist) or the network. Prints the accuracy of what answers (mean, spread, each seed) and the
seconds of training.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

from engine.catalog import family
from engine.config.overlay import apply_changes
from engine.config.run_config import RunConfig
from engine.presets import PRESETS
from engine.registry import methods
from engine.terminal import assignment


class Trial(NamedTuple):
    preset: str
    labels: int
    seed: int
    more: dict[str, Any] = {}  # changes besides, as --set has them


def config_of(trial: Trial) -> RunConfig:
    """The seed draws the labels as well."""
    changes: dict[str, Any] = {"seed": trial.seed, "hardware.device": "cpu", "hardware.threads": 1, **trial.more}
    if trial.labels:
        changes["data.labels.per_class"] = trial.labels
    # Before it is completed: a seed that comes later would draw other weights for the same labels.
    return RunConfig.parse(apply_changes(PRESETS[trial.preset].config, changes))


def accuracy(trial: Trial, part: str) -> tuple[float, float]:
    """Of what answers on the images of this part, and the seconds of its training."""
    import torch

    from engine.lab.executors.inline import train

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as checkpoints:
        status = train(config_of(trial), Path(checkpoints)).status
    return status.metrics[f"{part}/accuracy"], status.seconds


def presets_of(wanted: str) -> list[str]:
    """The presets on digits whose method is of this family."""
    own = {name for name in methods if family(methods[name]) == wanted}
    return [
        name
        for name, preset in PRESETS.items()
        if name.startswith("digits-") and preset.config["method"]["name"] in own
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("family")
    parser.add_argument("--presets", nargs="+", default=[], help="only these")
    parser.add_argument("--labels", type=int, nargs="+", default=[2], help="labels per class; 0: as the preset says")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--part", choices=["test", "validation"], default="test")
    parser.add_argument("--set", nargs="*", default=[], help="changes to every config, such as data.name=fashion_mnist")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    more = dict(map(assignment, arguments.set))
    names = arguments.presets or presets_of(arguments.family)
    rows: list[dict[str, Any]] = []
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        for labels in arguments.labels:
            for name in names:
                trials = [Trial(name, labels, seed, more) for seed in arguments.seeds]
                results = list(pool.map(accuracy, trials, [arguments.part] * len(trials)))
                shares = [share for share, _ in results]
                row = {
                    "preset": name,
                    "labels per class": labels or "preset",
                    "mean": statistics.mean(shares),
                    "spread": statistics.stdev(shares) if len(shares) > 1 else 0.0,
                    "each": shares,
                    "seconds": statistics.median(seconds for _, seconds in results),
                }
                rows.append(row)
                if not arguments.json:
                    each = " ".join(f"{100 * share:.1f}" for share in shares)
                    print(
                        f"{row['labels per class']} per class  {name:28} {100 * row['mean']:5.1f} ±"
                        f" {100 * row['spread']:4.1f} %  ({each})  {row['seconds']:.0f} s",
                        flush=True,
                    )
    if arguments.json:
        print(json.dumps(rows))


if __name__ == "__main__":
    main()
