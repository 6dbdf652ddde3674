"""STL-10: 5,000 labeled photographs beside 100,000 unlabeled ones, made for learning with few labels."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import numpy as np

from engine.config.parts import AllLabels, Labels
from engine.config.settings import param
from engine.data.sets.torchvision_source import Download, Part, TorchvisionParams, TorchvisionSet
from engine.registry import datasets

_BLOCK = 1_000  # unlabeled images read at once: all of them are 2.8 GB


@datasets.register
class Stl10(TorchvisionSet):
    """Coates, Ng and Lee 2011: 500 labeled training and 800 test images of each class, and 100,000 unlabeled images of
    a broader kind, as torchvision distributes them. The ten folds of 1,000 labels are not used: a run draws its own.
    """

    class Params(TorchvisionParams):
        name: Literal["stl10"] = "stl10"
        labels: Labels = param(AllLabels(), help="How many training images keep their labels.")

    title = "STL-10"
    summary = (
        "13,000 labeled and 100,000 unlabeled photographs, 96x96 color pixels, ten classes; 2.6 GB to download once,"
        " and 3.1 GB when it is unpacked."
    )
    known_as = "STL-10"
    class_names = ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")
    variants = (frozenset({"flip"}),)
    folder = ""
    shape = (113_000, 3, 96, 96)
    training = 105_000

    def downloads(self) -> list[Download]:
        from torchvision.datasets import STL10

        return [Download(STL10.filename, STL10.tgz_md5, [STL10.url])]

    def unpacked(self) -> dict[str, str]:
        from torchvision.datasets import STL10

        return {f"{STL10.base_folder}/{name}": md5 for name, md5 in (*STL10.train_list, *STL10.test_list)}

    def parts(self, root: Path) -> Iterable[Part]:
        from torchvision.datasets import STL10

        labeled = STL10(str(root), split="train", download=True)
        yield Part(labeled.data, labeled.labels)
        # As torchvision reads them, but not all at once: columns before rows.
        with open(root / STL10.base_folder / STL10.train_list[2][0], "rb") as file:
            while len(pixels := np.fromfile(file, np.uint8, _BLOCK * 3 * 96 * 96)):
                images = pixels.reshape(-1, 3, 96, 96).transpose(0, 1, 3, 2)
                yield Part(images, np.full(len(images), -1))
        test = STL10(str(root), split="test")
        yield Part(test.data, test.labels)
