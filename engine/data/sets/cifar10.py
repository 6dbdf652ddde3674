"""CIFAR-10: 60,000 small color photographs, the set that few-label methods are compared on."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from engine.data.sets.torchvision_source import Download, TorchvisionParams, TorchvisionSet
from engine.registry import datasets


@datasets.register
class Cifar10(TorchvisionSet):
    """Krizhevsky 2009: 50,000 training and 10,000 test images, as torchvision distributes them. The default views are
    the papers' own for this set.
    """

    class Params(TorchvisionParams):
        name: Literal["cifar10"] = "cifar10"

    title = "CIFAR-10"
    summary = (
        "60,000 small photographs of animals and vehicles, 32x32 color pixels, ten classes; 170 MB to download once."
    )
    known_as = "CIFAR-10"
    class_names = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
    variants = (frozenset({"flip"}),)
    folder = ""
    shape = (60_000, 3, 32, 32)
    training = 50_000

    def downloads(self) -> list[Download]:
        from torchvision.datasets import CIFAR10

        return [Download(CIFAR10.filename, CIFAR10.tgz_md5, [CIFAR10.url])]

    def unpacked(self) -> dict[str, str]:
        from torchvision.datasets import CIFAR10

        batches = [*CIFAR10.train_list, *CIFAR10.test_list, (CIFAR10.meta["filename"], CIFAR10.meta["md5"])]
        return {f"{CIFAR10.base_folder}/{name}": md5 for name, md5 in batches}

    def parts(self, root: Path) -> list[tuple[NDArray[np.uint8], Any]]:
        from torchvision.datasets import CIFAR10

        # The batches are pickles: torchvision opens one only after its md5 sum was found to be the official file's.
        sets = [CIFAR10(str(root), train=train, download=True) for train in (True, False)]
        return [(part.data.transpose(0, 3, 1, 2), part.targets) for part in sets]
