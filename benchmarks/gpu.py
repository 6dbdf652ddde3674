"""What the benchmarks on a GPU share: a preset for a paper, on the JPEG files of CIFAR-10, with as many steps as fit
into some minutes.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.config.overlay import apply_changes
from engine.config.run_config import RunConfig
from engine.lab.executors.inline import train
from engine.lab.messages import MeasureSpeed
from engine.lab.workers.requests import measure_speed
from engine.presets import PRESETS
from engine.runs.store import Run


def main(
    about: str | None, preset: str, data: dict[str, Any], minutes: float, figures: Callable[[Run], dict[str, float]]
) -> None:
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=minutes)
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change a setting; steps that are set are not measured",
    )
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    changes = dict(one.split("=", 1) for one in arguments.set)
    photos = {"name": "folder", "path": str(arguments.data / "images" / "cifar10_jpeg.zip"), "size": 32, **data}
    plain: dict[str, Any] = {**PRESETS[preset].config, "data": photos, "hardware": {"device": arguments.device}}
    if "backbone.name" in changes:
        plain["backbone"] = {"name": changes.pop("backbone.name")}
    plain = apply_changes(plain, {key: parsed(value) for key, value in changes.items()})
    if "budget.steps" not in changes:
        took = measure_speed(MeasureSpeed(plain, seconds=5.0))
        steps = max(100, int(60 * arguments.minutes / took["step"]))
        plain = apply_changes(plain, {"budget.steps": steps, "budget.evaluate_every": max(1, steps // 10)})
    with tempfile.TemporaryDirectory() as checkpoints:
        run = train(RunConfig.parse(plain), checkpoints)
        found = {
            **figures(run),
            "images per second": run.status.images_per_second,
            "seconds": run.status.seconds,
            "steps": float(run.status.step),
        }
    if arguments.json:
        print(json.dumps(found))
    else:
        for name, value in found.items():
            print(f"{name:22} {100 * value:.1f} %" if value <= 1 else f"{name:22} {value:,.0f}")


def parsed(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:  # a bare word
        return value
