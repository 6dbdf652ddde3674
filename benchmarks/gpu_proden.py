"""PRODEN on a GPU: the authors' 12-layer network on CIFAR-10 with candidates at rate 0.1, for some minutes.

    python -m benchmarks.gpu_proden --data FOLDER [--minutes 5] [--device cuda] [--set KEY=VALUE ...] [--json]

FOLDER holds `images/cifar10_jpeg.zip`. The configuration is the preset `paper-proden`; its steps are as many as fit
into the minutes, by the measured time of a step. Prints test accuracy, the share of images whose heaviest candidate
is the true label, images per second and seconds. Without a GPU the path can be tried at tiny size: --device cpu --set
backbone.name=small_cnn --set budget.batch_size=32 --set budget.steps=4.
"""

from __future__ import annotations

from benchmarks.gpu import main
from engine.runs.store import Run


def figures(run: Run) -> dict[str, float]:
    identified = [row["candidates/identified"] for row in run.folder.metrics() if "candidates/identified" in row]
    return {"test accuracy": run.status.metrics["test/accuracy"], "true candidate on top": identified[-1]}


if __name__ == "__main__":
    main(__doc__, "paper-proden", {"labels": {"kind": "partial", "rate": 0.1}}, minutes=5, figures=figures)
