"""What the methods gain on real images: clothes with 100 labels, photos without any, and photos of waste with 10
labels per class.

    python -m benchmarks.real_images fashion|cifar10|trashnet --data FOLDER [--seeds 0 1 2] [--json]

FOLDER holds `torchvision/FashionMNIST/raw`, `images/cifar10_jpeg.zip` and `images/trashnet256.zip`.

fashion: the preset `fashion-fixmatch` against `supervised` on the same labels and steps; test accuracy and seconds.
cifar10: the preset `cifar10-simclr` on the zip of JPEG files, the first seed alone; time of the import, and the probes
of `benchmarks.self_supervised` on the trained features, the first weights, raw pixels and an ImageNet network.
trashnet: at 64 pixels, SimCLR on all training photos, then fine-tuning with 10 labels per class, against the same
network trained from scratch on the same labels and steps.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.self_supervised import PROBES, accuracies, on_imagenet_features
from engine.config.run_config import RunConfig
from engine.data.sets.folder import Folder
from engine.lab.executors.inline import train
from engine.presets import PRESETS
from engine.runs.store import Run


def fashion(data: Path, seed: int, checkpoints: str) -> dict[str, float]:
    config = RunConfig.parse({**PRESETS["fashion-fixmatch"].config, "seed": seed}).with_changes(
        {"data.root": str(data / "torchvision")}
    )
    plain = config.model_dump(mode="json")
    alone = RunConfig.parse(
        {
            **{part: plain[part] for part in ("data", "seed", "backbone", "optimizer", "budget")},
            "method": {"name": "supervised"},
        }
    )
    return paired(train(alone, checkpoints), train(config, checkpoints))


def trashnet(data: Path, seed: int, checkpoints: str) -> dict[str, float]:
    photos = {"name": "folder", "path": str(data / "images" / "trashnet256.zip"), "size": 64}
    same: dict[str, Any] = {"seed": seed, "backbone": {"name": "small_cnn"}}
    features = train(
        RunConfig.parse(
            {
                **same,
                "data": photos,
                "method": {"name": "simclr"},
                "budget": {"steps": 1000, "batch_size": 128, "evaluate_every": 250},
            }
        ),
        checkpoints,
    )
    labeled = {
        **same,
        "data": {**photos, "labels": {"kind": "few", "per_class": 10}},
        "budget": {"steps": 500, "batch_size": 32, "evaluate_every": 100},
    }
    alone = train(RunConfig.parse({**labeled, "method": {"name": "supervised"}}), checkpoints)
    tuned = train(
        RunConfig.parse(
            {
                **labeled,
                "method": {"name": "fine_tune"},
                "backbone": {"name": "small_cnn", "init": f"run:{features.id}"},
            }
        ),
        checkpoints,
    )
    return {**paired(alone, tuned), "seconds without labels": features.status.seconds}


def paired(alone: Run, ours: Run) -> dict[str, float]:
    return {
        "labels alone": alone.status.metrics["test/accuracy"],
        "with the method": ours.status.metrics["test/accuracy"],
        "seconds alone": alone.status.seconds,
        "seconds": ours.status.seconds,
    }


def cifar10(data: Path, seed: int, checkpoints: str) -> dict[str, float]:
    photos = {"name": "folder", "path": str(data / "images" / "cifar10_jpeg.zip"), "size": 32}
    os.environ["FEWLAB_CACHE"] = f"{checkpoints}/cache"  # empty, so that the import is one
    began = time.perf_counter()
    Folder(Folder.Params.model_validate(photos)).load()
    read = time.perf_counter() - began
    began = time.perf_counter()
    Folder(Folder.Params.model_validate(photos)).load()
    opened = time.perf_counter() - began
    config = RunConfig.parse({**PRESETS["cifar10-simclr"].config, "data": photos, "seed": seed})
    run = train(config, checkpoints)
    learning = next(row["seconds"] for row in run.folder.metrics() if row["step"] == run.config["budget"]["steps"])
    imagenet = on_imagenet_features(config)
    figures: dict[str, float] = {}
    for probe in PROBES:
        found = accuracies(run.status.metrics, probe) | {"ImageNet": imagenet[f"test/{probe}"]}
        figures |= {f"{probe}, {words}": share for words, share in found.items()}
    return {
        **figures,
        "seconds of training": learning,
        "seconds with all probes": run.status.seconds,
        "import (s)": read,
        "opened again (s)": opened,
    }


EXPERIMENTS = {"fashion": fashion, "cifar10": cifar10, "trashnet": trashnet}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiment", choices=EXPERIMENTS)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as checkpoints:
        for seed in arguments.seeds if arguments.experiment != "cifar10" else arguments.seeds[:1]:
            rows.append(EXPERIMENTS[arguments.experiment](arguments.data, seed, checkpoints))
            if not arguments.json:
                print(f"seed {seed}: " + "   ".join(shown(name, value) for name, value in rows[-1].items()), flush=True)
    if arguments.json:
        print(json.dumps(rows))
    else:
        print("mean:   " + "   ".join(shown(name, statistics.mean(row[name] for row in rows)) for name in rows[0]))


def shown(name: str, value: float) -> str:
    return f"{name} {value:.2f}" if "(s)" in name or "seconds" in name else f"{name} {100 * value:.1f} %"


if __name__ == "__main__":
    main()
