"""SimCLR on a GPU: ResNet-18 on CIFAR-10 for some minutes, images and views on the device.

    python -m benchmarks.gpu_simclr --data FOLDER [--minutes 8] [--device cuda] [--set KEY=VALUE ...] [--json]

FOLDER holds `images/cifar10_jpeg.zip`. The configuration is the preset `paper-simclr`; its steps are as many as fit
into the minutes, by the measured time of a step. Prints kNN and linear accuracy of the last features (20 neighbors, and
all labels), images per second (two views of each), and seconds. Without a GPU the path can be tried at tiny size:
--device cpu --set backbone.name=small_cnn --set budget.batch_size=32 --set budget.steps=4.
"""

from __future__ import annotations

from benchmarks.gpu import main
from engine.runs.store import Run


def figures(run: Run) -> dict[str, float]:
    metrics = run.status.metrics
    return {"20-NN accuracy": metrics["test/knn_full"], "linear accuracy": metrics["test/linear_full"]}


if __name__ == "__main__":
    main(__doc__, "paper-simclr", {}, minutes=8, figures=figures)
