"""FixMatch on a GPU: WRN-28-2 on CIFAR-10 with 250 labels for some minutes.

    python -m benchmarks.gpu_fixmatch --data FOLDER [--minutes 10] [--device cuda] [--set KEY=VALUE ...] [--json]

FOLDER holds `images/cifar10_jpeg.zip`. The configuration is the preset `cifar10-fixmatch`; its steps are as many as fit
into the minutes, by the measured time of a step. Prints test accuracy, the share of unlabeled images used and how many
of their pseudo-labels were right at the end, images per second and seconds. Without a GPU the path can be tried at tiny
size: --device cpu --set backbone.name=small_cnn --set budget.batch_size=8 --set budget.steps=4.
"""

from __future__ import annotations

from benchmarks.gpu import main
from engine.runs.store import Run


def figures(run: Run) -> dict[str, float]:
    last = {name: value for row in run.folder.metrics() for name, value in row.items()}
    return {
        "test accuracy": run.status.metrics["test/accuracy"],
        "mask rate": last["mask_rate"],
        "pseudo-labels right": last["pseudo_label/accuracy"],
    }


if __name__ == "__main__":
    main(__doc__, "cifar10-fixmatch", {"labels": {"kind": "few", "per_class": 25}}, minutes=10, figures=figures)
