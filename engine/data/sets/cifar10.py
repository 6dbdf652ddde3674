"""CIFAR-10: 60,000 small color photographs, the set that few-label methods are compared on."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from engine.data.sets.torchvision_source import Download, Part, TorchvisionParams, TorchvisionSet
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

        return pickled_downloads(CIFAR10)

    def unpacked(self) -> dict[str, str]:
        from torchvision.datasets import CIFAR10

        return pickled_files(CIFAR10)

    def parts(self, root: Path) -> Iterable[Part]:
        from torchvision.datasets import CIFAR10

        return pickled_parts(CIFAR10, root)


def pickled_downloads(cls: Any) -> list[Download]:
    """What torchvision's class for a set in CIFAR's format downloads."""
    return [Download(cls.filename, cls.tgz_md5, [cls.url])]


def pickled_files(cls: Any) -> dict[str, str]:
    """md5 sums of its unpacked files, by their names inside the root."""
    batches = [*cls.train_list, *cls.test_list, (cls.meta["filename"], cls.meta["md5"])]
    return {f"{cls.base_folder}/{name}": md5 for name, md5 in batches}


def pickled_parts(cls: Any, root: Path) -> Iterable[Part]:
    """Its two parts. The batches are pickles: torchvision opens one only after its md5 sum was found to be the official
    file's.
    """
    for train in (True, False):
        part = cls(str(root), train=train, download=True)
        yield Part(part.data.transpose(0, 3, 1, 2), part.targets)
