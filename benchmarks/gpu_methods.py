"""Every method's step in bfloat16 on a GPU beside float32 on the CPU: the same weights, batch and chance.

    python -m benchmarks.gpu_methods [--methods NAME ...] [--device cuda] [--tolerance 0.05] [--json]

Prints the loss of both and how far apart they are, relative to the CPU's where that is above 1, and exits with 1 if any
method is further apart than the tolerance. Without a GPU the path can be tried with --device cpu: then bfloat16 on the
CPU is what is compared.
"""

from __future__ import annotations

import argparse
import json
import sys

import torch

from benchmarks.method_steps import config_of, gradient_methods
from benchmarks.step import make_images
from engine.data.split import make_split
from engine.methods.base.context import StepContext
from engine.training.assemble import make_method, make_task
from engine.training.evaluation.evaluator import Evaluator
from engine.training.hardware import resolve
from engine.training.loops.gradient_loop import GradientLoop
from engine.training.loops.make_loop import make_loop

_STEPS = 100


def first_loss(method: str, device: str, precision: str) -> float:
    config = config_of(method).with_changes({"hardware.device": device, "hardware.precision": precision})
    images, machine = make_images(32), resolve(config.hardware)
    machine.apply()
    split = make_split(images, config.data)
    torch.manual_seed(0)  # what a method draws for itself when it is made
    built = make_method(config, make_task(config, images, split))
    loop = make_loop(machine.place(built), config, images, split, machine, Evaluator(images, split, machine))
    assert isinstance(loop, GradientLoop)
    return float(loop.run_step(StepContext(0, 0, _STEPS), config).loss)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", default=gradient_methods(), choices=gradient_methods())
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--tolerance", type=float, default=0.05)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows = []
    for method in arguments.methods:
        exact, rounded = first_loss(method, "cpu", "float32"), first_loss(method, arguments.device, "bfloat16")
        apart = abs(exact - rounded) / max(1.0, abs(exact))
        rows.append({"method": method, "float32": exact, "bfloat16": rounded, "apart": apart})
        if not arguments.json:
            print(f"{method:22} {exact:10.4f} {rounded:10.4f} {apart:8.4f}", flush=True)
    if arguments.json:
        print(json.dumps(rows))
    sys.exit(any(not row["apart"] <= arguments.tolerance for row in rows))


if __name__ == "__main__":
    main()
